-- Where a slice lands first: the columns as cleaned, in the order of domain/call_rows.COLUMNS, and what they say of the call: its instant
-- and its phone's normal form, decided here, once, whichever way the rows were read. Lives as long as its transaction.
CREATE TEMPORARY TABLE staged_calls (
    source_key text COLLATE "C" NOT NULL, uniqueid text COLLATE "C", vici_lead_id bigint, list_id bigint, campaign_id text,
    call_date timestamp, start_epoch bigint, end_epoch bigint, length_in_sec bigint, status text, phone_code text,
    phone_number text, agent_user text, user_group text, comments text, term_reason text, alt_dial text, called_count bigint,
    queue_seconds numeric, vendor_lead_code text COLLATE "C", row_crc bigint, outbound_cid text, source_copy text NOT NULL,
    called_at timestamptz GENERATED ALWAYS AS (call_instant(call_date, start_epoch, uniqueid, :zone)) STORED,
    phone_key text COLLATE "C" GENERATED ALWAYS AS (
        -- Nearly every number is ten digits with code 1; only the others need the function. Asked without a regular expression, which
        -- would cost a tenth of the whole COPY.
        CASE
            WHEN phone_code = '1' AND octet_length(phone_number) = 10 AND ltrim(phone_number, '0123456789') = '' THEN '1' || phone_number
            ELSE normalised_phone(phone_code, phone_number)
        END
    ) STORED
) ON COMMIT DROP

-- Where a slice lands first: the columns as cleaned, in the order of domain/call_rows.COLUMNS. Lives as long as its transaction.
CREATE TEMPORARY TABLE staged_calls (
    ordinal bigint GENERATED ALWAYS AS IDENTITY,
    source_key text COLLATE "C" NOT NULL, uniqueid text COLLATE "C", vici_lead_id bigint, list_id bigint, campaign_id text,
    call_date timestamp, start_epoch bigint, end_epoch bigint, length_in_sec bigint, status text, phone_code text,
    phone_number text, agent_user text, user_group text, comments text, term_reason text, alt_dial text, called_count bigint,
    queue_seconds numeric, vendor_lead_code text COLLATE "C", row_crc bigint, outbound_cid text, source_copy text NOT NULL
) ON COMMIT DROP

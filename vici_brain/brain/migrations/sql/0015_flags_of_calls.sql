CREATE FUNCTION call_flags(
    call_date timestamp, called_at timestamptz, start_epoch bigint, length_in_sec bigint, vici_lead_id bigint, list_id bigint,
    campaign_id text, status text, phone_key text
) RETURNS text[]
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
-- What is odd about a call, NULL if nothing is: nearly every row passes the first question, and costs no array.
SELECT CASE
    WHEN call_date IS NOT NULL AND to_timestamp(start_epoch) = called_at AND coalesce(length_in_sec, 0) BETWEEN 0 AND 86400
        AND vici_lead_id <> 0 AND list_id <> 0 AND btrim(campaign_id) <> '' AND btrim(status) <> '' AND phone_key IS NOT NULL
    THEN NULL
    ELSE nullif(array_remove(ARRAY[
        CASE WHEN call_date IS NULL THEN 'call_date_missing' END,
        CASE WHEN to_timestamp(start_epoch) IS DISTINCT FROM called_at THEN 'start_epoch_refused' END,
        CASE WHEN length_in_sec < 0 OR length_in_sec > 86400 THEN 'length_implausible' END,
        CASE WHEN vici_lead_id IS NULL OR vici_lead_id = 0 THEN 'lead_missing' END,
        CASE WHEN list_id IS NULL OR list_id = 0 THEN 'list_missing' END,
        CASE WHEN coalesce(btrim(campaign_id), '') = '' THEN 'campaign_missing' END,
        CASE WHEN coalesce(btrim(status), '') = '' THEN 'status_blank' END,
        CASE WHEN phone_key IS NULL THEN 'phone_unusable' END
    ], NULL), '{}')
END
$$;
COMMENT ON FUNCTION call_flags IS 'row_flags of vici_call_logs: what is odd about a call, by what it says itself';

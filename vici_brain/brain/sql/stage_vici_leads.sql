-- Where one page of a dialer's leads is copied to.
CREATE TEMPORARY TABLE staged_vici_leads (
    vici_lead_id bigint PRIMARY KEY, list_id bigint, campaign_id text, status text, vendor_lead_code text, phone_code text,
    phone_number text, phone_key text COLLATE "C", called_count bigint, last_local_call_time timestamp, entry_date timestamp,
    profile jsonb, archived boolean NOT NULL
) ON COMMIT DROP

-- Leads on their way into Brain, one row for each number, from a dialer or a file. What is compared with leads has no collation of its
-- own: an index there serves only comparisons in the index's collation.
CREATE TEMPORARY TABLE arriving_leads (
    ref text COLLATE "C" PRIMARY KEY, leader bigint, phone text, phone_key text, code text, status text,
    entered_at timestamptz, linked bigint[] NOT NULL DEFAULT '{}', profile jsonb NOT NULL DEFAULT '{}', meta jsonb NOT NULL DEFAULT '{}',
    lead_id bigint, created boolean NOT NULL DEFAULT false, clash text, list_id bigint, campaign_id text, line bigint
) ON COMMIT DROP

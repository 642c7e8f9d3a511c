-- The staged rows of a stretch of which nothing is known or held, each written once, with its lead, and with them the ledger's entry for
-- every whole bucket of the stretch, empty ones too: both sides of it are the rows that land here. A row that is held or staged twice
-- after all, or a bucket of which the ledger knows, is a unique violation, and the careful merge's work. Leads are found by the rules
-- of match_calls; every look-up is a step down one index for each row (leads_external_lead_id_lookup, the key of vici_lead_links,
-- leads_normalised_phone_lookup), whatever the planner knows of the tables.
WITH landed AS (
    INSERT INTO vici_call_logs (
        instance, source_table, source_key, uniqueid, vici_lead_id, list_id, campaign_id, call_date, called_at, start_epoch,
        end_epoch, length_in_sec, status, phone_code, phone_number, phone_key, agent_user, user_group, comments, term_reason,
        alt_dial, called_count, queue_seconds, vendor_lead_code, outbound_cid, row_crc, row_flags, source_copy, read_at,
        first_seen_at, changed_at, lead_id, matched_by, matched_at, match_candidates
    )
    SELECT
        :instance, :source_table, source_key, uniqueid, vici_lead_id, list_id, campaign_id, call_date, called_at, start_epoch,
        end_epoch, length_in_sec, status, phone_code, phone_number, phone_key, agent_user, user_group, comments, term_reason,
        alt_dial, called_count, queue_seconds, nullif(vendor_lead_code, ''), nullif(outbound_cid, ''), row_crc,
        call_flags(call_date, called_at, start_epoch, length_in_sec, vici_lead_id, list_id, campaign_id, status, phone_key),
        source_copy, CAST(:read_at AS timestamptz), CAST(:read_at AS timestamptz), CAST(:read_at AS timestamptz),
        coalesce(by_code.lead_id, by_link.lead_id, by_phone.lead_id),
        CASE
            WHEN by_code.lead_id IS NOT NULL THEN 'vendor_lead_code'
            WHEN by_link.lead_id IS NOT NULL THEN 'vici_lead_link'
            WHEN by_phone.lead_id IS NOT NULL THEN 'phone'
        END,
        CASE WHEN coalesce(by_code.lead_id, by_link.lead_id, by_phone.lead_id) IS NOT NULL THEN (SELECT clock_timestamp()) END,
        nullif(coalesce(nullif(by_code.candidates, 0), nullif(by_link.candidates, 0), by_phone.candidates), 0)
    FROM (
        -- What is compared with leads has no collation of its own: an index on leads serves only comparisons in the index's collation.
        SELECT *, vendor_lead_code COLLATE "default" AS code, phone_key COLLATE "default" AS phone
        FROM staged_calls WHERE called_at >= :start AND called_at < :end ORDER BY source_key
    ) AS staged
    LEFT JOIN LATERAL (
        SELECT min(id) AS lead_id, count(*) AS candidates FROM leads
        WHERE leads.external_lead_id = staged.code AND staged.code ~ '^[0-9]{13}$'
    ) AS by_code ON true
    LEFT JOIN LATERAL (
        SELECT min(links.lead_id) AS lead_id, count(*) AS candidates FROM vici_lead_links AS links
        JOIN leads ON leads.id = links.lead_id
        WHERE links.instance = :instance AND links.vici_lead_id = staged.vici_lead_id AND by_code.lead_id IS NULL
    ) AS by_link ON true
    LEFT JOIN LATERAL (
        SELECT min(id) AS lead_id, count(*) AS candidates FROM leads
        WHERE normalised_phone('1', leads.phone::text) = staged.phone
          AND by_code.lead_id IS NULL AND by_link.lead_id IS NULL
    ) AS by_phone ON true
    RETURNING called_at, row_crc, lead_id
), arrived AS (
    SELECT date_bin('5 minutes', called_at, 'epoch') AS bucket_start, count(*) AS calls, sum(row_crc) AS crc_sum
    FROM landed GROUP BY 1
), noted AS (
    INSERT INTO call_log_proofs (
        instance, source_table, bucket_start, state, read_at, source_count, source_crc_sum, brain_count, brain_crc_sum
    )
    SELECT
        :instance, :source_table, bucket_start, 'read', CAST(:read_at AS timestamptz),
        coalesce(arrived.calls, 0), coalesce(arrived.crc_sum, 0), coalesce(arrived.calls, 0), coalesce(arrived.crc_sum, 0)
    FROM generate_series(CAST(:start AS timestamptz), CAST(:end AS timestamptz) - interval '5 minutes', interval '5 minutes')
        AS bucket (bucket_start)
    LEFT JOIN arrived USING (bucket_start)
    ORDER BY bucket_start
)
SELECT count(*) AS calls, count(lead_id) AS matched FROM landed

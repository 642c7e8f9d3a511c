-- Part of other statements: whether the row "coming" says something new of the call "held". An older read and an archive copy (which
-- may be stale) never overwrite a live row; an archived row is only followed when the archive itself was edited. What is no longer
-- known at the dialer, such as the code of a deleted lead, does not erase what was known.
held.read_at <= coming.read_at
AND NOT (held.source_copy = 'live' AND coming.source_copy = 'archive')
AND CASE WHEN held.source_copy = 'archive' AND coming.source_copy = 'archive' THEN held.row_crc <> coming.row_crc
ELSE (
    held.vanished_at IS NOT NULL
    OR held.source_copy <> coming.source_copy
    OR held.vendor_lead_code IS DISTINCT FROM coalesce(coming.vendor_lead_code, held.vendor_lead_code)
    OR held.outbound_cid IS DISTINCT FROM coalesce(coming.outbound_cid, held.outbound_cid)
    OR (
        held.row_crc, held.uniqueid, held.vici_lead_id, held.list_id, held.campaign_id, held.call_date, held.called_at,
        held.start_epoch, held.end_epoch, held.length_in_sec, held.status, held.phone_code, held.phone_number,
        held.agent_user, held.user_group, held.comments, held.term_reason, held.alt_dial, held.called_count, held.queue_seconds
    ) IS DISTINCT FROM (
        coming.row_crc, coming.uniqueid, coming.vici_lead_id, coming.list_id, coming.campaign_id, coming.call_date,
        coming.called_at, coming.start_epoch, coming.end_epoch, coming.length_in_sec, coming.status, coming.phone_code,
        coming.phone_number, coming.agent_user, coming.user_group, coming.comments, coming.term_reason, coming.alt_dial,
        coming.called_count, coming.queue_seconds
    )
) END

-- What a person has answered is not asked again: looked up by the entity, however long the queue has become.

CREATE INDEX manual_review_queue_by_entity ON manual_review_queue (entity_key, reason);

-- A lead that is put straight into a dialer's table may carry any entry_date, or none: its id says that it came after the switch.
ALTER TABLE vici_lead_cursors ADD COLUMN brain_first_after bigint;
COMMENT ON COLUMN vici_lead_cursors.brain_first_after IS 'highest lead_id read when leads began to come through Brain first';

-- What was decided about leads outlives them: a number that must not be called, and a deletion that a person was asked about.

CREATE INDEX lead_call_restrictions_forbidden ON lead_call_restrictions (phone_key) WHERE restriction = 'DO_NOT_CALL';
COMMENT ON TABLE lead_call_restrictions IS 'Why a lead may not be called: two separate facts; DO_NOT_CALL stays for good, for its number too, and wins';
CREATE INDEX manual_review_queue_deleted_leads ON manual_review_queue (entity_key) WHERE reason = 'lead_deleted_in_brain';

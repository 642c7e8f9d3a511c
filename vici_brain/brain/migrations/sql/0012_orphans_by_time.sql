-- What waits for its lead in a stretch of time, without a look at the twenty times as many calls that have one.
CREATE INDEX vici_call_logs_orphans ON vici_call_logs (instance, called_at) WHERE lead_id IS NULL;

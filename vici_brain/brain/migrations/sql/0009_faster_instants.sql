-- The same rule as before, of immutable parts only: PostgreSQL then works it out in place instead of calling a function for each call.
CREATE OR REPLACE FUNCTION call_instant(call_date timestamp, start_epoch bigint, uniqueid text, zone text) RETURNS timestamptz
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
-- When a call happened, by the best evidence of its row: start_epoch if it agrees with call_date within 15 hours (some rows hold
-- a year instead), else call_date in the dialer's zone, else the epoch that Asterisk puts at the head of a uniqueid.
SELECT CASE
    WHEN start_epoch BETWEEN 946684800 AND 4102444800
        AND (
            call_date IS NULL
            OR (call_date AT TIME ZONE zone) - to_timestamp(start_epoch) BETWEEN interval '-15 hours' AND interval '15 hours'
        )
        THEN to_timestamp(start_epoch)
    WHEN call_date IS NOT NULL THEN call_date AT TIME ZONE zone
    WHEN uniqueid ~ '^1[0-9]{9}[.]' THEN to_timestamp(left(uniqueid, 10)::bigint)
END
$$;

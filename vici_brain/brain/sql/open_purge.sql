-- The audit row of a purge, before it is known how many calls are still as they were exported (exported_calls holds them all). Without
-- any exported call there is no row.
INSERT INTO orphan_purges (
    instance, mode, trigger, actor, acted_at, cutoff, calls, exported_calls, first_called_at, last_called_at, file, sha256
)
SELECT
    :instance, :mode, :trigger, :actor, clock_timestamp(), CAST(:cutoff AS timestamptz), 0, count(*), min(called_at), max(called_at),
    :file, :sha256
FROM exported_calls
HAVING count(*) > 0
RETURNING id

-- A bucket in which a call is about to come or change is not proven any more, whatever window brought the call.
UPDATE call_log_proofs AS held SET state = 'read'
FROM (
    SELECT DISTINCT date_bin('5 minutes', called_at, 'epoch') AS bucket_start FROM arriving_calls
) AS touched
WHERE held.instance = :instance AND held.source_table = :source_table AND held.bucket_start = touched.bucket_start
  AND held.state = 'proven'

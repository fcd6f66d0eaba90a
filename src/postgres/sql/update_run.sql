-- $1 token int8, $2 seq int8, $3 state text, $4 step text, $5 progress text; gives what is wanted of the run
UPDATE teal.run
SET seq = greatest(seq, $2), state = $3, step = $4, progress = $5, heartbeat_at = pg_catalog.now()
WHERE token = $1
RETURNING wanted

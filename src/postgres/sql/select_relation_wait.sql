-- pid int of a session; how long it has stood in the queue for a relation's lock, in milliseconds; none where it does not
SELECT (extract(epoch FROM pg_catalog.clock_timestamp() - coalesce(k.waitstart, pg_catalog.clock_timestamp())) * 1000)::bigint AS millis
FROM pg_catalog.pg_locks k
WHERE k.pid = $1 AND NOT k.granted AND k.locktype = 'relation'

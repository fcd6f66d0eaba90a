-- schemas text[], tables text[] (pairs), older_than float8 seconds; whoever holds a lock on them that writers and the
-- fence would wait for: transactions at least that old, prepared ones and vacuums of any age
SELECT l.pid, p.gid, coalesce(a.usename, p.owner)::text AS user,
       coalesce(nullif(a.application_name, ''), a.backend_type, '') AS application,
       coalesce(a.state, '') AS state, pg_catalog.left(coalesce(a.query, ''), 80) AS query,
       extract(epoch FROM pg_catalog.clock_timestamp() - coalesce(a.xact_start, p.prepared))::float8 AS age_seconds,
       n.nspname::text AS schema, c.relname::text AS relation, l.mode, true AS granted
FROM unnest($1::text[], $2::text[]) t (schema, relation)
JOIN pg_catalog.pg_namespace n ON n.nspname = t.schema
JOIN pg_catalog.pg_class c ON c.relnamespace = n.oid AND c.relname = t.relation
JOIN LATERAL (
    -- the strongest per holder; ACCESS SHARE and ROW SHARE let SHARE ROW EXCLUSIVE pass (manual 13.3.1)
    SELECT DISTINCT ON (k.pid, k.virtualtransaction) k.pid, k.virtualtransaction, k.mode
    FROM pg_catalog.pg_locks k
    WHERE k.locktype = 'relation' AND k.relation = c.oid AND k.granted
      AND k.database = (SELECT d.oid FROM pg_catalog.pg_database d WHERE d.datname = pg_catalog.current_database())
      AND k.mode NOT IN ('AccessShareLock', 'RowShareLock') AND k.pid IS DISTINCT FROM pg_catalog.pg_backend_pid()
    ORDER BY k.pid, k.virtualtransaction, pg_catalog.array_position(
        '{AccessExclusiveLock,ExclusiveLock,ShareRowExclusiveLock,ShareLock,ShareUpdateExclusiveLock}', k.mode)
) l ON true
LEFT JOIN pg_catalog.pg_stat_activity a ON a.pid = l.pid
-- a prepared transaction's locks have no pid; its own xid, which it always locks, names it (twophase.c keeps the
-- virtual transaction of the session that prepared it)
LEFT JOIN pg_catalog.pg_locks x
    ON l.pid IS NULL AND x.pid IS NULL AND x.locktype = 'transactionid' AND x.virtualtransaction = l.virtualtransaction
LEFT JOIN pg_catalog.pg_prepared_xacts p ON p.transaction = x.transactionid
WHERE l.pid IS NULL
   OR l.mode = 'ShareUpdateExclusiveLock'
   OR a.xact_start <= pg_catalog.clock_timestamp() - pg_catalog.make_interval(secs => $3)
ORDER BY age_seconds DESC NULLS LAST, l.pid, n.nspname, c.relname

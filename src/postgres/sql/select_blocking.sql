-- pid int of a session that waits; whoever it waits for, with the relation that it wants, where it is one
WITH wanted AS MATERIALIZED (
    SELECT k.relation, k.database FROM pg_catalog.pg_locks k
    WHERE k.pid = $1 AND NOT k.granted AND k.locktype = 'relation'
),
-- 0 stands for a prepared transaction (manual 9.27, pg_blocking_pids); parallel workers repeat their leader
blocker AS MATERIALIZED (SELECT DISTINCT b.pid FROM unnest(pg_catalog.pg_blocking_pids($1)) b (pid))
SELECT nullif(b.pid, 0) AS pid, p.gid, coalesce(a.usename, p.owner)::text AS user,
       coalesce(nullif(a.application_name, ''), a.backend_type, '') AS application,
       coalesce(a.state, '') AS state, pg_catalog.left(coalesce(a.query, ''), 80) AS query,
       extract(epoch FROM pg_catalog.clock_timestamp() - coalesce(a.xact_start, p.prepared))::float8 AS age_seconds,
       n.nspname::text AS schema, c.relname::text AS relation,
       coalesce(h.mode, '') AS mode, coalesce(h.granted, true) AS granted
FROM blocker b
LEFT JOIN wanted w ON true
LEFT JOIN pg_catalog.pg_class c ON c.oid = w.relation
LEFT JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
LEFT JOIN LATERAL (
    SELECT DISTINCT ON (k.pid, k.virtualtransaction) k.virtualtransaction, k.mode, k.granted
    FROM pg_catalog.pg_locks k
    WHERE k.relation = w.relation AND k.database = w.database AND k.locktype = 'relation'
      AND coalesce(k.pid, 0) = b.pid
    ORDER BY k.pid, k.virtualtransaction, k.granted DESC, pg_catalog.array_position(
        '{AccessExclusiveLock,ExclusiveLock,ShareRowExclusiveLock,ShareLock,ShareUpdateExclusiveLock,RowExclusiveLock}',
        k.mode)
) h ON true
LEFT JOIN pg_catalog.pg_stat_activity a ON a.pid = b.pid
LEFT JOIN pg_catalog.pg_locks x
    ON b.pid = 0 AND x.pid IS NULL AND x.locktype = 'transactionid' AND x.virtualtransaction = h.virtualtransaction
LEFT JOIN pg_catalog.pg_prepared_xacts p ON p.transaction = x.transactionid
ORDER BY granted DESC, age_seconds DESC NULLS LAST, pid

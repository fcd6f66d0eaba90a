-- relations oid[]; vacuums at work on them now, and those that autovacuum must vacuum by force: relation text,
-- running boolean, forced boolean, pid int
SELECT format('%I.%I', n.nspname, c.relname) AS relation, v.pid IS NOT NULL AS running,
       pg_catalog.age(c.relfrozenxid) > pg_catalog.current_setting('autovacuum_freeze_max_age')::int
           OR coalesce(a.query LIKE '%(to prevent wraparound)', false) AS forced,
       v.pid
FROM unnest($1::oid[]) t (oid)
JOIN pg_catalog.pg_class c ON c.oid = t.oid AND c.relkind = 'r'
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
LEFT JOIN pg_catalog.pg_stat_progress_vacuum v ON v.relid = c.oid
LEFT JOIN pg_catalog.pg_stat_activity a ON a.pid = v.pid
WHERE v.pid IS NOT NULL OR pg_catalog.age(c.relfrozenxid) > pg_catalog.current_setting('autovacuum_freeze_max_age')::int
ORDER BY relation

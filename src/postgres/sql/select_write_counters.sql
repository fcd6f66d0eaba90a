-- no parameters; one row per user table, and one for the catalog of large objects (a row there is 2 kB of one): what was
-- written to it since its statistics began, aborted writes included
SELECT s.relid AS oid, s.schemaname::text AS schema, s.relname::text AS name,
       s.n_tup_ins AS inserted, s.n_tup_upd AS updated, s.n_tup_del AS deleted
FROM pg_catalog.pg_stat_all_tables s
WHERE s.relid = 'pg_catalog.pg_largeobject'::regclass
   OR s.schemaname NOT IN ('pg_catalog', 'information_schema', 'pg_toast', 'teal') AND s.schemaname NOT LIKE 'pg\_temp\_%'
      AND s.schemaname NOT LIKE 'pg\_toast\_temp\_%'
ORDER BY s.schemaname, s.relname

-- no parameters; one row per user table: what was written to it since its statistics began, aborted writes included
SELECT s.relid AS oid, s.schemaname::text AS schema, s.relname::text AS name,
       s.n_tup_ins AS inserted, s.n_tup_upd AS updated, s.n_tup_del AS deleted
FROM pg_catalog.pg_stat_user_tables s
WHERE s.schemaname <> 'teal' AND s.schemaname NOT LIKE 'pg\_temp\_%'
ORDER BY s.schemaname, s.relname

-- $1 text: trigger name; the tables that carry a fence
SELECT n.nspname::text AS schema, c.relname::text AS name
FROM pg_catalog.pg_trigger t
JOIN pg_catalog.pg_proc f ON f.oid = t.tgfoid
JOIN pg_catalog.pg_class c ON c.oid = t.tgrelid
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE t.tgname = $1 AND f.pronamespace = pg_catalog.to_regnamespace('teal')
ORDER BY n.nspname, c.relname

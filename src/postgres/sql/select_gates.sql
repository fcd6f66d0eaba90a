-- no parameters; the tables of green that carry the gate
SELECT n.nspname::text AS schema, c.relname::text AS name
FROM pg_catalog.pg_trigger t
JOIN pg_catalog.pg_class c ON c.oid = t.tgrelid
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE t.tgname = 'teal_gate' AND t.tgfoid = pg_catalog.to_regproc('teal.refuse_until_open')
ORDER BY n.nspname, c.relname

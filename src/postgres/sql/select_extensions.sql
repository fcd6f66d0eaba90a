-- no parameters; extensions of this database: name text, version text, schema text
SELECT e.extname::text AS name, e.extversion AS version, quote_ident(n.nspname) AS schema
FROM pg_catalog.pg_extension e
JOIN pg_catalog.pg_namespace n ON n.oid = e.extnamespace
ORDER BY e.extname

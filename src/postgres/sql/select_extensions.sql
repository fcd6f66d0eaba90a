-- no parameters; the extensions of this database: name, version, schema
SELECT e.extname::text AS name, e.extversion AS version, e.extnamespace::regnamespace::text AS schema
FROM pg_catalog.pg_extension e

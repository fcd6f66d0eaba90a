-- no parameters; one row per structural object: object text, digest text
SELECT 'schema ' || n.nspname AS object, md5(n.nspname) AS digest
FROM pg_catalog.pg_namespace n
WHERE n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast', 'teal')
  AND n.nspname NOT LIKE 'pg\_temp\_%' AND n.nspname NOT LIKE 'pg\_toast\_temp\_%'

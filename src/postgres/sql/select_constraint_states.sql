-- no parameters; one row per constraint of a user table or domain: object, name, valid; ours left out
SELECT n.nspname || '.' || coalesce(c.relname, t.typname) AS object, k.conname::text AS name, k.convalidated AS valid
FROM pg_catalog.pg_constraint k
JOIN pg_catalog.pg_namespace n ON n.oid = k.connamespace
LEFT JOIN pg_catalog.pg_class c ON c.oid = k.conrelid
LEFT JOIN pg_catalog.pg_type t ON t.oid = k.contypid
WHERE k.contype <> 't' AND (c.oid IS NOT NULL OR t.oid IS NOT NULL)
  AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast', 'teal')
  AND n.nspname NOT LIKE 'pg\_temp\_%' AND n.nspname NOT LIKE 'pg\_toast\_temp\_%'
ORDER BY 1, 2

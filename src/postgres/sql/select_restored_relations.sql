-- no parameters; how many relations the schema without indexes makes in one transaction: relations bigint, TOAST included
SELECT count(*) + 2 * count(*) FILTER (WHERE c.reltoastrelid <> 0) AS relations
FROM pg_catalog.pg_class c
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p', 'S', 'v', 'm', 'f', 'c') AND c.relpersistence <> 't'
  AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast', 'teal')
  AND n.nspname NOT LIKE 'pg\_temp\_%'

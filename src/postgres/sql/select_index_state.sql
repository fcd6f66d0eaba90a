-- $1 schema text, $2 index text; one row if there is such an index: valid, partitioned
SELECT x.indisvalid AS valid, c.relkind = 'I' AS partitioned
FROM pg_catalog.pg_index x
JOIN pg_catalog.pg_class c ON c.oid = x.indexrelid
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = $1 AND c.relname = $2

-- No parameters. Whether there are a schema and a decision of ours, and whether our role may read them. Not through to_regclass: where
-- the role may not enter the schema, that fails instead of giving NULL (15).
SELECT n.oid IS NOT NULL AS schema,
       coalesce(pg_catalog.has_schema_privilege(n.oid, 'USAGE'), true) AS enters,
       pg_catalog.has_table_privilege(c.oid, 'SELECT') AS reads
FROM (SELECT) AS one
LEFT JOIN pg_catalog.pg_namespace n ON n.nspname = 'teal'
LEFT JOIN pg_catalog.pg_class c ON c.relnamespace = n.oid AND c.relname = 'decision' AND c.relkind = 'r'

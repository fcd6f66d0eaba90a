-- no parameters; columns of user tables that are to be compressed by lz4: object text, remedy text
SELECT c.oid::regclass::text || '.' || quote_ident(a.attname) AS object,
       format('ALTER TABLE %s ALTER COLUMN %I SET COMPRESSION pglz;', c.oid::regclass, a.attname) AS remedy
FROM pg_catalog.pg_attribute a
JOIN pg_catalog.pg_class c ON c.oid = a.attrelid AND c.relkind IN ('r', 'p', 'm')
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE a.attcompression = 'l' AND a.attnum > 0 AND NOT a.attisdropped
  AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast', 'teal')
  AND n.nspname NOT LIKE 'pg\_temp\_%'
ORDER BY c.oid::regclass::text, a.attnum

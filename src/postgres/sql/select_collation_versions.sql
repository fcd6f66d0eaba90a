-- no parameters; collations in use whose library is not that with which they were made: object text, made text, now text
SELECT DISTINCT format('%I.%I', n.nspname, c.collname) AS object, c.collversion AS made,
       pg_catalog.pg_collation_actual_version(c.oid) AS now
FROM pg_catalog.pg_collation c
JOIN pg_catalog.pg_namespace n ON n.oid = c.collnamespace
JOIN pg_catalog.pg_attribute a ON a.attcollation = c.oid AND a.attrelid >= 16384 AND NOT a.attisdropped
WHERE c.collversion <> pg_catalog.pg_collation_actual_version(c.oid)
ORDER BY object

-- $1 text: a table's name as SQL, looked up on the session's path; no row where there is none
SELECT a.attname::text
FROM pg_catalog.pg_attribute a
WHERE a.attrelid = pg_catalog.to_regclass($1) AND a.attnum > 0 AND NOT a.attisdropped
ORDER BY a.attnum

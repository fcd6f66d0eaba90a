-- $1 text: a table's name as SQL, $2 oid[]: its indexes before; those that came since: name as SQL, valid
SELECT format('%I.%I', n.nspname, c.relname) AS name, x.indisvalid AND x.indisready AS valid
FROM pg_catalog.pg_index x
JOIN pg_catalog.pg_class c ON c.oid = x.indexrelid
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE x.indrelid = pg_catalog.to_regclass($1) AND x.indexrelid <> ALL ($2::oid[])

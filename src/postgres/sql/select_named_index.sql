-- $1 text: an index as SQL; its OID and whether it is valid; none where there is no such index
SELECT x.indexrelid AS oid, x.indisvalid AND x.indisready AS valid
FROM pg_catalog.pg_index x
WHERE x.indexrelid = pg_catalog.to_regclass($1)

-- $1 text: a table's name as SQL, looked up on the session's path; the oid of each of its indexes
SELECT x.indexrelid FROM pg_catalog.pg_index x WHERE x.indrelid = pg_catalog.to_regclass($1)

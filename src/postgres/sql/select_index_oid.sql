-- $1 text: an index's name as SQL, looked up on the session's path; its oid, or no row
SELECT c.oid FROM pg_catalog.pg_class c WHERE c.oid = pg_catalog.to_regclass($1) AND c.relkind IN ('i', 'I')

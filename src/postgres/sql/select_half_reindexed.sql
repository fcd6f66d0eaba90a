-- $1 oid[]: indexes that were invalid before; what REINDEX CONCURRENTLY left when it was interrupted (manual, REINDEX), the
-- indexes of TOAST tables among them: those too may be dropped while they are invalid
SELECT c.oid, format('%I.%I', n.nspname, c.relname) AS name
FROM pg_catalog.pg_index x
JOIN pg_catalog.pg_class c ON c.oid = x.indexrelid
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE NOT x.indisvalid AND c.relname ~ '_cc(new|old)[0-9]*$' AND c.oid <> ALL ($1::oid[])

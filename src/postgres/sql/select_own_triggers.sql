-- no parameters; one row per trigger or event trigger that calls a function of ours: its catalog's OID and its own
SELECT t.tableoid AS catalog, t.oid
FROM pg_catalog.pg_trigger t
JOIN pg_catalog.pg_proc p ON p.oid = t.tgfoid
WHERE p.pronamespace = (SELECT n.oid FROM pg_catalog.pg_namespace n WHERE n.nspname = 'teal')
UNION ALL
SELECT e.tableoid, e.oid
FROM pg_catalog.pg_event_trigger e
JOIN pg_catalog.pg_proc p ON p.oid = e.evtfoid
WHERE p.pronamespace = (SELECT n.oid FROM pg_catalog.pg_namespace n WHERE n.nspname = 'teal')

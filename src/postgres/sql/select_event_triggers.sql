-- no parameters; event triggers that fire for our sessions: name text, function text, extension text (NULL: none)
SELECT quote_ident(t.evtname) AS name, t.evtfoid::regprocedure::text AS function,
       (SELECT e.extname::text FROM pg_catalog.pg_depend d JOIN pg_catalog.pg_extension e ON e.oid = d.refobjid
        WHERE d.classid = 'pg_catalog.pg_event_trigger'::regclass AND d.objid = t.oid AND d.deptype = 'e'
          AND d.refclassid = 'pg_catalog.pg_extension'::regclass) AS extension
FROM pg_catalog.pg_event_trigger t
WHERE t.evtenabled IN ('O', 'A') AND t.evtname NOT LIKE 'teal\_%' AND t.evtevent <> 'login'
ORDER BY t.evtname

-- no parameters; what the copy has to be asked about: kind text, object text
SELECT 'large objects' AS kind, count(*) || ' large objects' AS object
FROM pg_catalog.pg_largeobject_metadata HAVING count(*) > 0
UNION ALL -- tables that an extension marked as its user's data (pg_extension_config_dump)
SELECT 'extension rows', format('%I.%I', n.nspname, c.relname)
FROM pg_catalog.pg_extension e, unnest(e.extconfig) t (oid)
JOIN pg_catalog.pg_class c ON c.oid = t.oid
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind = 'r' AND pg_catalog.pg_relation_size(c.oid) > 0
UNION ALL
SELECT 'extension', e.extname::text FROM pg_catalog.pg_extension e
UNION ALL
SELECT 'publication', quote_ident(p.pubname) FROM pg_catalog.pg_publication p WHERE p.pubname NOT LIKE 'teal\_%'
UNION ALL
SELECT 'subscription', quote_ident(s.subname)
FROM pg_catalog.pg_subscription s
JOIN pg_catalog.pg_database d ON d.oid = s.subdbid AND d.datname = pg_catalog.current_database()
UNION ALL
SELECT 'event trigger', quote_ident(t.evtname)
FROM pg_catalog.pg_event_trigger t
WHERE t.evtname NOT LIKE 'teal\_%'
  AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend d
                  WHERE d.classid = 'pg_catalog.pg_event_trigger'::regclass AND d.objid = t.oid AND d.deptype = 'e')
UNION ALL
SELECT DISTINCT 'tablespace', t.spcname::text
FROM pg_catalog.pg_class c
JOIN pg_catalog.pg_tablespace t ON t.oid = c.reltablespace AND t.spcname <> 'pg_global'
ORDER BY kind, object

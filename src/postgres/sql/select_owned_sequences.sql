-- no parameters; one row per sequence that an integer column owns (serial, identity): names, increment
SELECT sn.nspname::text AS sequence_schema, s.relname::text AS sequence_name,
       tn.nspname::text AS table_schema, t.relname::text AS table_name, a.attname::text AS column_name,
       q.seqincrement AS increment
FROM pg_catalog.pg_sequence q
JOIN pg_catalog.pg_class s ON s.oid = q.seqrelid
JOIN pg_catalog.pg_namespace sn ON sn.oid = s.relnamespace
JOIN pg_catalog.pg_depend d ON d.classid = 'pg_catalog.pg_class'::regclass AND d.objid = s.oid
                           AND d.refclassid = 'pg_catalog.pg_class'::regclass AND d.deptype IN ('a', 'i')
JOIN pg_catalog.pg_class t ON t.oid = d.refobjid
JOIN pg_catalog.pg_namespace tn ON tn.oid = t.relnamespace
JOIN pg_catalog.pg_attribute a ON a.attrelid = t.oid AND a.attnum = d.refobjsubid
WHERE NOT q.seqcycle
  AND a.atttypid IN ('pg_catalog.int2'::regtype, 'pg_catalog.int4'::regtype, 'pg_catalog.int8'::regtype)
  AND tn.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast', 'teal')
  AND tn.nspname NOT LIKE 'pg\_temp\_%' AND tn.nspname NOT LIKE 'pg\_toast\_temp\_%'
ORDER BY 1, 2

-- no parameters; one row per statement that empties this database but for the schema teal, in order
WITH object (step, classid, objid) AS (
    SELECT 1, e.tableoid, e.oid FROM pg_catalog.pg_event_trigger e
  UNION ALL
    SELECT 2, p.tableoid, p.oid FROM pg_catalog.pg_publication p
  UNION ALL
    SELECT 3, e.tableoid, e.oid FROM pg_catalog.pg_extension e
    WHERE pg_catalog.pg_has_role(e.extowner, 'USAGE')
  UNION ALL
    SELECT 4, n.tableoid, n.oid FROM pg_catalog.pg_namespace n
    WHERE n.nspname NOT IN ('public', 'teal') AND n.nspname NOT LIKE 'pg\_%'
  UNION ALL
    -- whatever is in public: each kind of object depends on its schema
    SELECT 5, d.classid, d.objid FROM pg_catalog.pg_depend d
    WHERE d.refclassid = 'pg_catalog.pg_namespace'::regclass AND d.deptype = 'n'
      AND d.refobjid = (SELECT n.oid FROM pg_catalog.pg_namespace n WHERE n.nspname = 'public')
      AND d.classid NOT IN ('pg_catalog.pg_extension'::regclass, 'pg_catalog.pg_default_acl'::regclass)
  UNION ALL
    SELECT 6, c.tableoid, c.oid FROM pg_catalog.pg_cast c
  UNION ALL
    SELECT 7, f.tableoid, f.oid FROM pg_catalog.pg_foreign_data_wrapper f
  UNION ALL
    SELECT 8, l.tableoid, l.oid FROM pg_catalog.pg_language l
)
SELECT pg_catalog.format('DROP %s IF EXISTS %s CASCADE',
           CASE i.type WHEN 'composite type' THEN 'type' WHEN 'statistics object' THEN 'statistics' ELSE i.type END,
           i.identity) AS sql
FROM object o
CROSS JOIN LATERAL pg_catalog.pg_identify_object(o.classid, o.objid, 0) i
WHERE o.objid >= 16384
  AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend d
                  WHERE d.classid = o.classid AND d.objid = o.objid AND d.deptype = 'e'
                    AND NOT pg_catalog.pg_has_role((SELECT e.extowner FROM pg_catalog.pg_extension e
                                                    WHERE e.oid = d.refobjid), 'USAGE'))
ORDER BY o.step, o.objid

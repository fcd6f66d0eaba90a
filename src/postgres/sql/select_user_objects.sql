-- no parameters; every object that somebody made, but ours and extensions': object text
WITH user_schema (oid, name) AS (
    SELECT n.oid, n.nspname FROM pg_catalog.pg_namespace n
    WHERE n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast', 'teal')
      AND n.nspname NOT LIKE 'pg\_temp\_%' AND n.nspname NOT LIKE 'pg\_toast\_temp\_%'
),
object (classid, objid, weight, object) AS (
    SELECT 'pg_catalog.pg_class'::regclass, c.oid, 1, format('%s %I.%I',
               CASE c.relkind WHEN 'v' THEN 'view' WHEN 'm' THEN 'materialized view' WHEN 'S' THEN 'sequence'
                              WHEN 'f' THEN 'foreign table' WHEN 'c' THEN 'type' ELSE 'table' END, s.name, c.relname)
    FROM pg_catalog.pg_class c JOIN user_schema s ON s.oid = c.relnamespace
    WHERE c.relkind IN ('r', 'p', 'v', 'm', 'S', 'f', 'c') AND c.relpersistence <> 't'
  UNION ALL
    SELECT 'pg_catalog.pg_proc'::regclass, p.oid, 2, format('function %I.%I', s.name, p.proname)
    FROM pg_catalog.pg_proc p JOIN user_schema s ON s.oid = p.pronamespace
  UNION ALL
    SELECT 'pg_catalog.pg_type'::regclass, t.oid, 3, format('type %I.%I', s.name, t.typname)
    FROM pg_catalog.pg_type t JOIN user_schema s ON s.oid = t.typnamespace
    WHERE t.typrelid = 0 AND t.typtype IN ('b', 'd', 'e', 'r')
      AND NOT EXISTS (SELECT FROM pg_catalog.pg_type e WHERE e.typarray = t.oid)
  UNION ALL
    SELECT 'pg_catalog.pg_namespace'::regclass, s.oid, 4, format('schema %I', s.name)
    FROM user_schema s WHERE s.name <> 'public'
  UNION ALL -- what is in no schema, or counts for the whole database
    SELECT i.classid, i.objid, 5, pg_catalog.pg_describe_object(i.classid, i.objid, 0)
    FROM (SELECT e.tableoid, e.oid FROM pg_catalog.pg_event_trigger e
          UNION ALL SELECT p.tableoid, p.oid FROM pg_catalog.pg_publication p
          UNION ALL SELECT f.tableoid, f.oid FROM pg_catalog.pg_foreign_data_wrapper f
          UNION ALL SELECT l.tableoid, l.oid FROM pg_catalog.pg_language l
          UNION ALL SELECT c.tableoid, c.oid FROM pg_catalog.pg_cast c
          UNION ALL SELECT m.tableoid, m.oid FROM pg_catalog.pg_am m
          UNION ALL SELECT a.tableoid, a.oid FROM pg_catalog.pg_default_acl a
          UNION ALL SELECT t.tableoid, t.oid FROM pg_catalog.pg_transform t) i (classid, objid)
    WHERE i.objid >= 16384
  UNION ALL
    SELECT 'pg_catalog.pg_largeobject'::regclass, m.oid, 6, format('large object %s', m.oid)
    FROM pg_catalog.pg_largeobject_metadata m
)
SELECT o.object FROM object o
WHERE NOT EXISTS (SELECT FROM pg_catalog.pg_depend d
                  WHERE d.classid = o.classid AND d.objid = o.objid AND d.deptype = 'e')
ORDER BY o.weight, o.object

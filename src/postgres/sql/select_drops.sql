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
    SELECT 7, t.tableoid, t.oid FROM pg_catalog.pg_transform t
  UNION ALL
    SELECT 8, f.tableoid, f.oid FROM pg_catalog.pg_foreign_data_wrapper f
  UNION ALL
    SELECT 9, l.tableoid, l.oid FROM pg_catalog.pg_language l
  UNION ALL
    SELECT 10, m.tableoid, m.oid FROM pg_catalog.pg_am m
),
dropped (step, position, sql) AS (
    SELECT o.step, o.objid::bigint,
           -- of a transform the identity reads `for integer on language sql`, the statement without `on`
           pg_catalog.format('DROP %s IF EXISTS %s CASCADE',
               CASE i.type WHEN 'composite type' THEN 'type' WHEN 'statistics object' THEN 'statistics'
                           WHEN 'foreign-data wrapper' THEN 'foreign data wrapper' ELSE i.type END,
               CASE i.type WHEN 'transform' THEN pg_catalog.replace(i.identity, ' on language ', ' language ')
                           ELSE i.identity END)
    FROM object o
    CROSS JOIN LATERAL pg_catalog.pg_identify_object(o.classid, o.objid, 0) i
    WHERE o.objid >= 16384
      AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend d
                      WHERE d.classid = o.classid AND d.objid = o.objid AND d.deptype = 'e'
                        AND NOT pg_catalog.pg_has_role((SELECT e.extowner FROM pg_catalog.pg_extension e
                                                        WHERE e.oid = d.refobjid), 'USAGE'))
),
-- those of the whole database, and those in public: what goes with other schemas is gone by then
default_acl AS (
    SELECT a.oid, quote_ident(pg_catalog.pg_get_userbyid(a.defaclrole)) AS role, a.defaclrole, a.defaclobjtype,
           a.defaclnamespace = 0 AS everywhere, a.defaclacl,
           CASE a.defaclobjtype WHEN 'r' THEN 'TABLES' WHEN 'S' THEN 'SEQUENCES' WHEN 'f' THEN 'FUNCTIONS'
                                WHEN 'T' THEN 'TYPES' WHEN 'n' THEN 'SCHEMAS' ELSE 'LARGE OBJECTS' END AS kind
    FROM pg_catalog.pg_default_acl a
    WHERE a.defaclnamespace = 0
       OR a.defaclnamespace = (SELECT n.oid FROM pg_catalog.pg_namespace n WHERE n.nspname = 'public')
)
SELECT d.sql FROM (
    SELECT d.step, d.position, d.sql FROM dropped d
  UNION ALL
    -- default privileges taken back one by one, then what the server gives by itself is given again: the entry goes
    SELECT 11, a.oid::bigint, pg_catalog.format('ALTER DEFAULT PRIVILEGES FOR ROLE %s%s REVOKE ALL ON %s FROM %s',
               a.role, CASE WHEN a.everywhere THEN '' ELSE ' IN SCHEMA public' END, a.kind,
               CASE x.grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_catalog.pg_get_userbyid(x.grantee)) END)
    FROM default_acl a CROSS JOIN LATERAL (SELECT DISTINCT x.grantee FROM aclexplode(a.defaclacl) x) x
  UNION ALL
    SELECT 12, a.oid::bigint, pg_catalog.format('ALTER DEFAULT PRIVILEGES FOR ROLE %s GRANT %s ON %s TO %s',
               a.role, CASE x.grantee WHEN 0 THEN x.privilege_type ELSE 'ALL' END, a.kind,
               CASE x.grantee WHEN 0 THEN 'PUBLIC' ELSE a.role END)
    FROM default_acl a
    CROSS JOIN LATERAL (
        SELECT DISTINCT x.grantee, CASE x.grantee WHEN 0 THEN x.privilege_type END AS privilege_type
        FROM aclexplode(acldefault(CASE a.defaclobjtype WHEN 'S' THEN 's' ELSE a.defaclobjtype END, a.defaclrole)) x) x
    WHERE a.everywhere
) d
ORDER BY d.step, d.position

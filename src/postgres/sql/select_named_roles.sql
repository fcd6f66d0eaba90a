-- no parameters; every role that owns an object or was granted something, objects of extensions aside, which belong to who
-- makes the extension: role text, owns boolean
WITH user_schema AS (
    SELECT n.* FROM pg_catalog.pg_namespace n
    WHERE n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast', 'teal')
      AND n.nspname NOT LIKE 'pg\_temp\_%' AND n.nspname NOT LIKE 'pg\_toast\_temp\_%'
),
object (classid, objid, owner, acl) AS (
    SELECT 'pg_catalog.pg_namespace'::regclass, s.oid, s.nspowner, s.nspacl FROM user_schema s
  UNION ALL
    SELECT c.tableoid, c.oid, c.relowner, c.relacl FROM pg_catalog.pg_class c JOIN user_schema s ON s.oid = c.relnamespace
    WHERE c.relpersistence <> 't'
  UNION ALL
    SELECT c.tableoid, c.oid, NULL, a.attacl
    FROM pg_catalog.pg_attribute a
    JOIN pg_catalog.pg_class c ON c.oid = a.attrelid
    JOIN user_schema s ON s.oid = c.relnamespace
    WHERE a.attacl IS NOT NULL
  UNION ALL
    SELECT p.tableoid, p.oid, p.proowner, p.proacl FROM pg_catalog.pg_proc p JOIN user_schema s ON s.oid = p.pronamespace
  UNION ALL
    SELECT t.tableoid, t.oid, t.typowner, t.typacl FROM pg_catalog.pg_type t JOIN user_schema s ON s.oid = t.typnamespace
    -- rows, arrays and multiranges go with what they are of
    WHERE t.typrelid = 0 AND t.typtype <> 'm' AND NOT EXISTS (SELECT FROM pg_catalog.pg_type e WHERE e.typarray = t.oid)
  UNION ALL
    SELECT d.tableoid, d.oid, d.defaclrole, d.defaclacl FROM pg_catalog.pg_default_acl d
  UNION ALL
    SELECT m.tableoid, m.oid, m.lomowner, m.lomacl FROM pg_catalog.pg_largeobject_metadata m
),
named (classid, objid, oid, owns) AS (
    SELECT o.classid, o.objid, o.owner, true FROM object o WHERE o.owner IS NOT NULL
  UNION ALL
    SELECT o.classid, o.objid, g.oid, false FROM object o, aclexplode(o.acl) x, unnest(ARRAY[x.grantee, x.grantor]) g (oid)
  UNION ALL
    SELECT p.tableoid, p.oid, g.oid, false
    FROM pg_catalog.pg_policy p
    JOIN pg_catalog.pg_class c ON c.oid = p.polrelid
    JOIN user_schema s ON s.oid = c.relnamespace, unnest(p.polroles) g (oid)
  UNION ALL -- servers, publications, collations, ...: whatever kind depends on a role, but for the server's first one
    SELECT d.classid, d.objid, d.refobjid, d.deptype = 'o'
    FROM pg_catalog.pg_shdepend d
    JOIN pg_catalog.pg_database b ON b.oid = d.dbid AND b.datname = current_database()
    WHERE d.refclassid = 'pg_catalog.pg_authid'::regclass AND d.deptype IN ('o', 'a', 'r')
      AND NOT (d.classid = 'pg_catalog.pg_namespace'::regclass AND d.objid NOT IN (SELECT s.oid FROM user_schema s))
      AND d.objid NOT IN (SELECT c.oid FROM pg_catalog.pg_class c
                          WHERE c.relnamespace NOT IN (SELECT s.oid FROM user_schema s))
      AND d.objid NOT IN (SELECT p.oid FROM pg_catalog.pg_proc p
                          WHERE p.pronamespace NOT IN (SELECT s.oid FROM user_schema s))
      AND d.objid NOT IN (SELECT t.oid FROM pg_catalog.pg_type t
                          WHERE t.typnamespace NOT IN (SELECT s.oid FROM user_schema s) OR t.typrelid <> 0 OR t.typtype = 'm'
                             OR EXISTS (SELECT FROM pg_catalog.pg_type e WHERE e.typarray = t.oid))
      AND d.classid NOT IN ('pg_catalog.pg_extension'::regclass, 'pg_catalog.pg_subscription'::regclass)
)
SELECT r.rolname::text AS role, bool_or(n.owns) AS owns
FROM named n JOIN pg_catalog.pg_roles r ON r.oid = n.oid
WHERE NOT EXISTS (SELECT FROM pg_catalog.pg_depend d
                  WHERE d.classid = n.classid AND d.objid = n.objid AND d.deptype = 'e')
GROUP BY r.rolname
ORDER BY r.rolname

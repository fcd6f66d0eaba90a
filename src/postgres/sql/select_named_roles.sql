-- no parameters; every role that owns an object or was granted something: role text, owns boolean
WITH user_schema AS (
    SELECT n.* FROM pg_catalog.pg_namespace n
    WHERE n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast', 'teal')
      AND n.nspname NOT LIKE 'pg\_temp\_%' AND n.nspname NOT LIKE 'pg\_toast\_temp\_%'
),
object (owner, acl) AS (
    SELECT s.nspowner, s.nspacl FROM user_schema s
  UNION ALL
    SELECT c.relowner, c.relacl FROM pg_catalog.pg_class c JOIN user_schema s ON s.oid = c.relnamespace
    WHERE c.relpersistence <> 't'
  UNION ALL
    SELECT NULL, a.attacl
    FROM pg_catalog.pg_attribute a
    JOIN pg_catalog.pg_class c ON c.oid = a.attrelid
    JOIN user_schema s ON s.oid = c.relnamespace
    WHERE a.attacl IS NOT NULL
  UNION ALL
    SELECT p.proowner, p.proacl FROM pg_catalog.pg_proc p JOIN user_schema s ON s.oid = p.pronamespace
  UNION ALL
    SELECT t.typowner, t.typacl FROM pg_catalog.pg_type t JOIN user_schema s ON s.oid = t.typnamespace
  UNION ALL
    SELECT d.defaclrole, d.defaclacl FROM pg_catalog.pg_default_acl d
),
named (oid, owns) AS (
    SELECT o.owner, true FROM object o WHERE o.owner IS NOT NULL
  UNION ALL
    SELECT g.oid, false FROM object o, aclexplode(o.acl) x, unnest(ARRAY[x.grantee, x.grantor]) g (oid)
  UNION ALL
    SELECT g.oid, false
    FROM pg_catalog.pg_policy p
    JOIN pg_catalog.pg_class c ON c.oid = p.polrelid
    JOIN user_schema s ON s.oid = c.relnamespace, unnest(p.polroles) g (oid)
)
SELECT r.rolname::text AS role, bool_or(n.owns) AS owns
FROM named n JOIN pg_catalog.pg_roles r ON r.oid = n.oid
GROUP BY r.rolname
ORDER BY r.rolname

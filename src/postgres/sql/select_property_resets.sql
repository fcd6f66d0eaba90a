-- no parameters; what takes away all settings of this database and of roles in it, and all privileges on it and on the
-- schema public: sql text
SELECT 'ALTER DATABASE ' || quote_ident(current_database()) || ' RESET ALL' AS sql
WHERE EXISTS (SELECT FROM pg_catalog.pg_db_role_setting s JOIN pg_catalog.pg_database d ON d.oid = s.setdatabase
              WHERE d.datname = current_database() AND s.setrole = 0)
UNION ALL
SELECT format('ALTER ROLE %I IN DATABASE %I RESET ALL', r.rolname, current_database())
FROM pg_catalog.pg_db_role_setting s
JOIN pg_catalog.pg_database d ON d.oid = s.setdatabase AND d.datname = current_database()
JOIN pg_catalog.pg_roles r ON r.oid = s.setrole
UNION ALL
SELECT format('REVOKE ALL ON %s %s FROM %s CASCADE', o.kind, o.name,
           CASE x.grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_catalog.pg_get_userbyid(x.grantee)) END)
FROM (SELECT 'DATABASE' AS kind, quote_ident(d.datname) AS name, coalesce(d.datacl, acldefault('d', d.datdba)) AS acl
      FROM pg_catalog.pg_database d WHERE d.datname = current_database()
      UNION ALL
      SELECT 'SCHEMA', 'public', coalesce(n.nspacl, acldefault('n', n.nspowner))
      FROM pg_catalog.pg_namespace n WHERE n.nspname = 'public') o
CROSS JOIN LATERAL (SELECT DISTINCT x.grantee FROM aclexplode(o.acl) x) x

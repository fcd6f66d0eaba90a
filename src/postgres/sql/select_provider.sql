-- no parameters; the roles by which managed servers are known, and whether ours is a member: role text, member boolean
SELECT r.rolname::text AS role, pg_catalog.pg_has_role(r.oid, 'MEMBER') AS member
FROM pg_catalog.pg_roles r
WHERE r.rolname IN ('rds_superuser', 'cloudsqlsuperuser', 'alloydbsuperuser', 'azure_pg_admin')
ORDER BY r.rolname

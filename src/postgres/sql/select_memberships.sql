-- $1 text[]: roles; who of them is a member of whom of them: role text, member text
SELECT r.rolname::text AS role, m.rolname::text AS member
FROM pg_catalog.pg_auth_members am
JOIN pg_catalog.pg_roles r ON r.oid = am.roleid
JOIN pg_catalog.pg_roles m ON m.oid = am.member
WHERE r.rolname = ANY ($1::text[]) AND m.rolname = ANY ($1::text[])
ORDER BY r.rolname, m.rolname

-- roles text[]; what they are members of: granted text, member text
SELECT g.rolname::text AS granted, m.rolname::text AS member
FROM pg_catalog.pg_auth_members a
JOIN pg_catalog.pg_roles g ON g.oid = a.roleid
JOIN pg_catalog.pg_roles m ON m.oid = a.member
WHERE m.rolname = ANY ($1::text[])
ORDER BY 1, 2

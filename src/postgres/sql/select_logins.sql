-- roles text[]; those of them that this server knows: role text, may_login boolean
SELECT r.rolname::text AS role, r.rolcanlogin AS may_login
FROM pg_catalog.pg_roles r WHERE r.rolname = ANY ($1::text[])

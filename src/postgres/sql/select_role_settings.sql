-- roles text[]; what ALTER ROLE ... SET set for them in every database: role text, name text, value text
SELECT r.rolname::text AS role, pg_catalog.split_part(c.setting, '=', 1) AS name,
       pg_catalog.substr(c.setting, pg_catalog.strpos(c.setting, '=') + 1) AS value
FROM pg_catalog.pg_db_role_setting s
JOIN pg_catalog.pg_roles r ON r.oid = s.setrole, unnest(s.setconfig) c (setting)
WHERE s.setdatabase = 0 AND r.rolname = ANY ($1::text[])
ORDER BY r.rolname, name

-- no parameters; one row per setting of this database or of a role in it: role (NULL: of all), name, value
SELECT r.rolname::text AS role,
       pg_catalog.split_part(c.setting, '=', 1) AS name,
       pg_catalog.substr(c.setting, pg_catalog.strpos(c.setting, '=') + 1) AS value
FROM pg_catalog.pg_db_role_setting s
JOIN pg_catalog.pg_database d ON d.oid = s.setdatabase AND d.datname = current_database()
LEFT JOIN pg_catalog.pg_roles r ON r.oid = s.setrole
CROSS JOIN LATERAL unnest(s.setconfig) WITH ORDINALITY c (setting, position)
WHERE s.setrole = 0 OR r.oid IS NOT NULL
ORDER BY r.rolname NULLS FIRST, c.position

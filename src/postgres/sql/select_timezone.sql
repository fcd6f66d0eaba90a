-- no parameters; the time zone of new sessions that name none, by the database or else by the server's own files; fails
-- for those who may not read pg_file_settings: value text, source text
SELECT z.value, z.source
FROM (
    SELECT pg_catalog.split_part(c.setting, '=', 2) AS value, 'database' AS source, 1 AS weight
    FROM pg_catalog.pg_db_role_setting s
    JOIN pg_catalog.pg_database d ON d.oid = s.setdatabase AND d.datname = pg_catalog.current_database(),
         unnest(s.setconfig) c (setting)
    WHERE s.setrole = 0 AND pg_catalog.lower(pg_catalog.split_part(c.setting, '=', 1)) = 'timezone'
  UNION ALL
    SELECT f.setting, 'configuration file', 2
    FROM pg_catalog.pg_file_settings f
    WHERE pg_catalog.lower(f.name) = 'timezone' AND f.applied
) z
ORDER BY z.weight LIMIT 1

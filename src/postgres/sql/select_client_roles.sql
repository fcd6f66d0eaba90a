-- no parameters; roles with sessions in this database: role text, sessions bigint, clients text
SELECT a.usename::text AS role, count(*) AS sessions,
       coalesce(string_agg(DISTINCT nullif(a.application_name, ''), ', '), '') AS clients
FROM pg_catalog.pg_stat_activity a
WHERE a.datname = pg_catalog.current_database() AND a.usename IS NOT NULL AND a.backend_type = 'client backend'
  AND a.application_name <> 'teal'
GROUP BY a.usename
ORDER BY a.usename

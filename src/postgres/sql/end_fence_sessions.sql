-- $1 text: application_name; ends our own sessions of that name in this database, gives how many are still there
SELECT count(*) FILTER (WHERE pg_catalog.pg_terminate_backend(a.pid) IS NOT NULL)
FROM pg_catalog.pg_stat_activity a
WHERE a.application_name = $1 AND a.datname = pg_catalog.current_database() AND a.usename = current_user

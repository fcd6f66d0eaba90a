-- seconds float8; sessions whose transaction is at least that old and prepared transactions, oldest first: pid int,
-- gid text, who text, state text, age_seconds float8, here boolean (in this database), xmin_age int
SELECT a.pid, NULL::text AS gid,
       pg_catalog.concat_ws(', ', a.usename, nullif(a.application_name, ''), nullif(a.backend_type, 'client backend')) AS who,
       coalesce(a.state, '') AS state,
       extract(epoch FROM pg_catalog.clock_timestamp() - a.xact_start)::float8 AS age_seconds,
       a.datname IS NOT DISTINCT FROM pg_catalog.current_database() AS here,
       coalesce(age(a.backend_xmin), 0) AS xmin_age
FROM pg_catalog.pg_stat_activity a
WHERE a.xact_start <= pg_catalog.clock_timestamp() - pg_catalog.make_interval(secs => $1)
  AND a.pid <> pg_catalog.pg_backend_pid() AND a.application_name <> 'teal'
UNION ALL
SELECT NULL, p.gid, p.owner::text, 'prepared',
       extract(epoch FROM pg_catalog.clock_timestamp() - p.prepared)::float8,
       p.database = pg_catalog.current_database(), age(p.transaction)
FROM pg_catalog.pg_prepared_xacts p
ORDER BY age_seconds DESC

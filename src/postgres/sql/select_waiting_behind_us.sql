-- no parameters; one row per session that waits for a lock that a session of ours holds
SELECT w.pid,
       coalesce(a.usename::text, '') AS role,
       coalesce(a.application_name, '') AS program,
       w.mode,
       coalesce(w.relation::regclass::text, w.locktype) AS object
FROM pg_catalog.pg_locks w
LEFT JOIN pg_catalog.pg_stat_activity a ON a.pid = w.pid
WHERE NOT w.granted
  AND EXISTS (
      SELECT FROM pg_catalog.pg_stat_activity ours
      WHERE ours.datname = current_database() AND ours.usename = current_user AND ours.application_name = 'teal'
        AND ours.pid = ANY (pg_catalog.pg_blocking_pids(w.pid))
  )
  AND (a.usename = current_user AND a.application_name = 'teal') IS NOT TRUE

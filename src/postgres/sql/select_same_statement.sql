-- $1 text: a statement; the other sessions of our role that run it right now: what an earlier process of ours began goes on
-- when that process is killed. Queries are cut at track_activity_query_size (1 kB by default)
SELECT a.pid
FROM pg_catalog.pg_stat_activity a
WHERE a.pid <> pg_catalog.pg_backend_pid() AND a.datname = pg_catalog.current_database() AND a.state = 'active'
  AND a.usename = CURRENT_USER AND pg_catalog.left(a.query, 800) = pg_catalog.left($1, 800)

-- no parameters; the database's own counters: stats_reset text, commits bigint
SELECT s.stats_reset::text AS stats_reset, s.xact_commit AS commits
FROM pg_catalog.pg_stat_database s
WHERE s.datname = pg_catalog.current_database()

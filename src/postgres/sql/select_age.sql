-- no parameters; how near this database is to the end of its transaction numbers, and what spends them: xid_age int,
-- multixact_age int, per_hour bigint (transactions, reads included)
SELECT age(d.datfrozenxid) AS xid_age, pg_catalog.mxid_age(d.datminmxid) AS multixact_age,
       ((s.xact_commit + s.xact_rollback) / greatest(t.hours, 0.1))::bigint AS per_hour
FROM pg_catalog.pg_database d
JOIN pg_catalog.pg_stat_database s ON s.datid = d.oid,
LATERAL (SELECT extract(epoch FROM pg_catalog.clock_timestamp()
             - coalesce(s.stats_reset, pg_catalog.pg_postmaster_start_time())) / 3600 AS hours) t
WHERE d.datname = pg_catalog.current_database()

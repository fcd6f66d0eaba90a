-- no parameters; one row: which cluster this is (set by initdb, shared by physical clones), and the timeline it writes on,
-- NULL on a standby. From the log's position and not from pg_control, which a promotion brings up to date only with its
-- next checkpoint.
SELECT (SELECT c.system_identifier FROM pg_catalog.pg_control_system() c) AS system_identifier,
       CASE WHEN NOT pg_catalog.pg_is_in_recovery() THEN
           ('x' || pg_catalog.left(pg_catalog.pg_walfile_name(pg_catalog.pg_current_wal_insert_lsn()), 8))::bit(32)::int
       END AS timeline

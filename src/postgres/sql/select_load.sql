-- no parameters; what says that a server has enough to do: the standby that is furthest behind, active sessions, the log's end.
-- Without pg_monitor the standbys' lag is hidden: null
SELECT (SELECT max(extract(epoch FROM r.replay_lag))::float8 FROM pg_catalog.pg_stat_replication r) AS lag_seconds,
       (SELECT count(*) FROM pg_catalog.pg_stat_activity a
        WHERE a.backend_type = 'client backend' AND a.state = 'active' AND a.pid <> pg_catalog.pg_backend_pid()) AS active,
       pg_catalog.current_setting('max_connections')::bigint AS most,
       pg_catalog.pg_wal_lsn_diff(pg_catalog.pg_current_wal_insert_lsn(), '0/0')::bigint AS wal_position,
       (SELECT s.setting::bigint << 20 FROM pg_catalog.pg_settings s WHERE s.name = 'max_wal_size') AS max_wal_bytes,
       (SELECT s.setting::bigint FROM pg_catalog.pg_settings s WHERE s.name = 'checkpoint_timeout') AS checkpoint_seconds

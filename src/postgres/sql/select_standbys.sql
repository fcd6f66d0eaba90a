-- no parameters; who follows this server: name text, visible boolean, state text, sync_state text, lag_bytes bigint
SELECT coalesce(nullif(r.application_name, ''), r.usename::text, 'pid ' || r.pid) AS name, r.state IS NOT NULL AS visible,
       coalesce(r.state, '') AS state, coalesce(r.sync_state, '') AS sync_state,
       coalesce(pg_catalog.pg_wal_lsn_diff(r.sent_lsn, r.replay_lsn), 0)::bigint AS lag_bytes
FROM pg_catalog.pg_stat_replication r
WHERE r.state IS DISTINCT FROM 'backup'
ORDER BY name

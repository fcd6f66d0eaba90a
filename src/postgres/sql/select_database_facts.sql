-- no parameters; counters of this database, flushed before they are read where the server can (15)
SELECT pg_catalog.pg_stat_clear_snapshot()::text,
       d.tup_inserted AS inserted, d.tup_updated AS updated, d.tup_deleted AS deleted,
       d.temp_bytes, d.xact_commit,
       pg_catalog.pg_wal_lsn_diff(pg_catalog.pg_current_wal_insert_lsn(), '0/0')::bigint AS wal_position
FROM pg_catalog.pg_stat_database d
WHERE d.datname = pg_catalog.current_database()

-- no parameters; rows that this session wrote to user tables, not yet in the server's counters: two readings in one
-- transaction differ by what it wrote; and where the server's log ends
SELECT coalesce(sum(n_tup_ins), 0)::bigint AS inserted,
       coalesce(sum(n_tup_upd), 0)::bigint AS updated,
       coalesce(sum(n_tup_del), 0)::bigint AS deleted,
       pg_catalog.pg_wal_lsn_diff(pg_catalog.pg_current_wal_insert_lsn(), '0/0')::bigint AS wal_position
FROM pg_catalog.pg_stat_xact_user_tables
WHERE schemaname <> 'teal'

-- no parameters; what the user tables of this database take: table_bytes, index_bytes, dead_bytes bigint (of rows that
-- are dead by the statistics)
SELECT coalesce(sum(pg_catalog.pg_table_size(c.oid)), 0)::bigint AS table_bytes,
       coalesce(sum(pg_catalog.pg_indexes_size(c.oid)), 0)::bigint AS index_bytes,
       coalesce(sum(pg_catalog.pg_table_size(c.oid)
           * (s.n_dead_tup::float8 / greatest(s.n_live_tup + s.n_dead_tup, 1))), 0)::bigint AS dead_bytes
FROM pg_catalog.pg_class c
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
LEFT JOIN pg_catalog.pg_stat_all_tables s ON s.relid = c.oid
WHERE c.relkind IN ('r', 'm') AND c.relpersistence <> 't'
  AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast', 'teal')

-- no parameters; size, indexes and rows of every user table that holds rows, and the bytes a second that the server has
-- read from its disk for this database (track_io_timing); none where it does not measure
SELECT n.nspname::text AS schema,
       c.relname::text AS name,
       pg_catalog.pg_table_size(c.oid) AS bytes,
       pg_catalog.pg_indexes_size(c.oid) AS index_bytes,
       GREATEST(c.reltuples, 0)::float8::int8 AS rows,
       (SELECT (d.blks_read * pg_catalog.current_setting('block_size')::int / (d.blk_read_time / 1000))::int8
        FROM pg_catalog.pg_stat_database d
        -- a second of reading at least, or it says nothing
        WHERE d.datname = pg_catalog.current_database() AND d.blk_read_time > 1000) AS bytes_per_second
FROM pg_catalog.pg_class c
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'm') AND c.relpersistence <> 't'
  AND n.nspname NOT IN ('pg_catalog', 'pg_toast', 'information_schema', 'teal')

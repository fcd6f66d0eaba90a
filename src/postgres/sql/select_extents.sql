-- $1 tables oid[]; one row per table: heap blocks and bytes with TOAST as they are now, whether a range of ctid is read alone
SELECT c.oid,
       pg_catalog.pg_relation_size(c.oid) / pg_catalog.current_setting('block_size')::int8 AS blocks,
       pg_catalog.pg_table_size(c.oid) AS bytes,
       coalesce(am.amname = 'heap', false)
           AND pg_catalog.current_setting('server_version_num')::int4 >= 140000 AS ranged
FROM pg_catalog.pg_class c
LEFT JOIN pg_catalog.pg_am am ON am.oid = c.relam
WHERE c.oid = ANY ($1)

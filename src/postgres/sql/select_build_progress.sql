-- pid int of a session that builds an index; its phase, and bytes of the table read and to be read
SELECT p.phase, p.blocks_done * b.size AS done, p.blocks_total * b.size AS total,
       coalesce(c.relname::text, '') AS relation, p.tuples_done, p.tuples_total
FROM pg_catalog.pg_stat_progress_create_index p
CROSS JOIN (SELECT pg_catalog.current_setting('block_size')::bigint AS size) b
LEFT JOIN pg_catalog.pg_class c ON c.oid = p.relid
WHERE p.pid = $1

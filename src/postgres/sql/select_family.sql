-- $1 relation oid; the relation and all that inherits from it, parents first
WITH RECURSIVE family (oid, depth) AS (
    SELECT $1::oid, 0
  UNION ALL
    SELECT i.inhrelid, f.depth + 1 FROM family f JOIN pg_catalog.pg_inherits i ON i.inhparent = f.oid
)
SELECT n.nspname::text AS schema,
       c.relname::text AS name,
       c.relkind = 'r' AS holds_rows,
       c.relispartition AND f.depth > 0 AS takes_triggers_from_parent,
       coalesce((SELECT array_agg(a.attname::text ORDER BY a.attnum)
                 FROM pg_catalog.pg_partitioned_table p
                 JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum = ANY (p.partattrs::int2[])
                 WHERE p.partrelid = c.oid), '{}') AS partition_columns,
       coalesce((SELECT 0 = ANY (p.partattrs::int2[]) FROM pg_catalog.pg_partitioned_table p
                 WHERE p.partrelid = c.oid), false) AS partition_expressions
FROM (SELECT oid, min(depth) AS depth FROM family GROUP BY oid) f
JOIN pg_catalog.pg_class c ON c.oid = f.oid
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
ORDER BY f.depth, n.nspname, c.relname

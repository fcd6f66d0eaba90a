-- no parameters; one row per user table and partitioned table that is no partition, ours and extensions' left out:
-- how it is written under this session's path, a unique key where it has no primary one, what decides the partition
SELECT c.oid,
       CASE WHEN pg_catalog.pg_table_is_visible(c.oid) THEN quote_ident(c.relname)
            ELSE quote_ident(n.nspname) || '.' || quote_ident(c.relname) END AS written,
       coalesce((SELECT array_agg(a.attname::text ORDER BY k.position)
                 FROM (SELECT x.indexrelid, x.indkey, x.indnkeyatts FROM pg_catalog.pg_index x
                       WHERE x.indrelid = c.oid AND x.indisunique AND x.indisvalid AND x.indimmediate
                         AND x.indpred IS NULL AND x.indexprs IS NULL
                         AND NOT EXISTS (SELECT FROM pg_catalog.pg_attribute a
                                         WHERE a.attrelid = c.oid AND a.attnum = ANY (x.indkey::int2[])
                                           AND NOT a.attnotnull)
                       ORDER BY x.indnkeyatts, x.indexrelid LIMIT 1) u
                 CROSS JOIN LATERAL unnest(u.indkey::int2[]) WITH ORDINALITY k (attnum, position)
                 JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum = k.attnum
                 WHERE k.position <= u.indnkeyatts), '{}') AS unique_key,
       coalesce((SELECT array_agg(DISTINCT a.attname::text)
                 FROM pg_catalog.pg_partition_tree(c.oid) t
                 JOIN pg_catalog.pg_partitioned_table p ON p.partrelid = t.relid
                 JOIN pg_catalog.pg_attribute a ON a.attrelid = t.relid AND a.attnum = ANY (p.partattrs::int2[])),
                '{}') AS partition_columns
FROM pg_catalog.pg_class c
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition
  AND c.relpersistence <> 't'
  AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast', 'teal')
  AND n.nspname NOT LIKE 'pg\_temp\_%' AND n.nspname NOT LIKE 'pg\_toast\_temp\_%'
  AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend d
                  WHERE d.classid = 'pg_catalog.pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')
ORDER BY n.nspname, c.relname

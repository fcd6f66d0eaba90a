-- no parameters; one row per user table, partitioned table and leaf, ours and extensions' left out
WITH RECURSIVE
unsafe_type (oid) AS (
    -- types whose binary form is not true elsewhere: reg*, aclitem, and whatever is built over them
    SELECT t.oid FROM pg_catalog.pg_type t
    WHERE t.typnamespace = 'pg_catalog'::regnamespace
      AND (t.typname LIKE 'reg%' AND t.typcategory = 'N' OR t.typname = 'aclitem' OR t.typsend = 0)
  UNION
    SELECT t.oid FROM pg_catalog.pg_type t
    JOIN unsafe_type u ON t.typelem = u.oid OR t.typbasetype = u.oid
      OR EXISTS (SELECT FROM pg_catalog.pg_attribute a
                 WHERE a.attrelid = t.typrelid AND a.attnum > 0 AND NOT a.attisdropped AND a.atttypid = u.oid)
      OR EXISTS (SELECT FROM pg_catalog.pg_range r
                 WHERE r.rngsubtype = u.oid AND t.oid IN (r.rngtypid, r.rngmultitypid))
)
SELECT c.oid,
       n.nspname::text AS schema,
       c.relname::text AS name,
       c.relkind = 'p' AS partitioned,
       c.relpersistence = 'u' AS unlogged,
       root.schema AS root_schema,
       root.name AS root_name,
       coalesce((SELECT json_agg(json_build_object('schema', pn.nspname, 'object', p.relname) ORDER BY i.inhseqno)
                 FROM pg_catalog.pg_inherits i
                 JOIN pg_catalog.pg_class p ON p.oid = i.inhparent
                 JOIN pg_catalog.pg_namespace pn ON pn.oid = p.relnamespace
                 WHERE i.inhrelid = c.oid AND NOT c.relispartition), '[]')::text AS inherits,
       coalesce((SELECT json_agg(json_build_object(
                            'name', a.attname,
                            'type_name', pg_catalog.format_type(a.atttypid, a.atttypmod),
                            'not_null', a.attnotnull,
                            'generated', a.attgenerated <> '',
                            'binary_safe', NOT EXISTS (SELECT FROM unsafe_type u WHERE u.oid = a.atttypid)
                        ) ORDER BY a.attnum)
                 FROM pg_catalog.pg_attribute a
                 WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped), '[]')::text AS columns,
       coalesce((SELECT array_agg(a.attname::text ORDER BY k.position)
                 FROM pg_catalog.pg_index x
                 CROSS JOIN LATERAL unnest(x.indkey::int2[]) WITH ORDINALITY k (attnum, position)
                 JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum = k.attnum
                 WHERE x.indrelid = c.oid AND x.indisprimary AND k.position <= x.indnkeyatts), '{}') AS primary_key,
       CASE WHEN c.relkind = 'p' THEN 0 ELSE pg_catalog.pg_table_size(c.oid) END AS bytes,
       c.reltuples::bigint AS estimated_rows
FROM pg_catalog.pg_class c
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
LEFT JOIN LATERAL (
    SELECT rn.nspname::text AS schema, r.relname::text AS name
    FROM pg_catalog.pg_class r JOIN pg_catalog.pg_namespace rn ON rn.oid = r.relnamespace
    WHERE c.relispartition AND r.oid = pg_catalog.pg_partition_root(c.oid)
) root ON true
WHERE c.relkind IN ('r', 'p')
  AND c.relpersistence <> 't'
  AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast', 'teal')
  AND n.nspname NOT LIKE 'pg\_temp\_%' AND n.nspname NOT LIKE 'pg\_toast\_temp\_%'
  AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend d
                  WHERE d.classid = 'pg_catalog.pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')
ORDER BY n.nspname, c.relname

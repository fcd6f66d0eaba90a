-- no parameters; one row per user table, partitioned table and leaf, ours and extensions' left out
WITH RECURSIVE
-- what a type is built over: elements, base types, attributes, subtypes of ranges
part (whole, part) AS MATERIALIZED (
    SELECT t.oid, t.typelem FROM pg_catalog.pg_type t WHERE t.typelem <> 0
  UNION ALL
    SELECT t.oid, t.typbasetype FROM pg_catalog.pg_type t WHERE t.typbasetype <> 0
  UNION ALL
    SELECT t.oid, a.atttypid FROM pg_catalog.pg_type t
    JOIN pg_catalog.pg_attribute a ON a.attrelid = t.typrelid AND a.attnum > 0 AND NOT a.attisdropped
  UNION ALL
    SELECT w.oid, r.rngsubtype FROM pg_catalog.pg_range r, unnest(ARRAY[r.rngtypid, r.rngmultitypid]) w (oid)
),
unsafe_type (oid) AS (
    -- names that are numbers of this server's objects; types without a binary form; and types that bring a binary form
    -- of their own, which the other server's version of their extension need not share
    SELECT t.oid FROM pg_catalog.pg_type t
    LEFT JOIN pg_catalog.pg_proc r ON r.oid = t.typreceive
    WHERE t.typtype = 'b'
      AND (t.typelem = 0 AND (t.typname LIKE 'reg%' AND t.typnamespace = 'pg_catalog'::regnamespace OR t.typsend = 0
                              OR t.typreceive = 0 OR r.pronamespace <> 'pg_catalog'::regnamespace)
           -- whose input refuses the empty value that their output sends (PostgreSQL 15.18): "malformed tsquery: operand
           -- not found", "invalid oidvector data"
           OR t.oid IN ('pg_catalog.tsquery'::regtype, 'pg_catalog.oidvector'::regtype, 'pg_catalog.int2vector'::regtype))
  UNION
    SELECT p.whole FROM part p JOIN unsafe_type u ON u.oid = p.part
),
exact_type (oid) AS (
    -- built in, and with one binary form a value, the same on every server: not float, whose NaNs have several, nor what
    -- holds other types, whose OIDs are this server's
    SELECT t.oid FROM pg_catalog.pg_type t
    WHERE t.typnamespace = 'pg_catalog'::regnamespace
      AND t.typname IN ('bool', 'bytea', 'name', 'int2', 'int4', 'int8', 'oid', 'numeric', 'text', 'varchar', 'bpchar', 'json',
                        'jsonb', 'uuid', 'date', 'time', 'timetz', 'timestamp', 'timestamptz', 'interval', 'inet', 'cidr', 'macaddr')
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
                            'binary_safe', NOT EXISTS (SELECT FROM unsafe_type u WHERE u.oid = a.atttypid),
                            'exact_send', a.atttypid IN (SELECT e.oid FROM exact_type e)
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

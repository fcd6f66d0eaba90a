-- no parameters; one row per configuration table of an extension (pg_extension_config_dump): oid, schema, name,
-- extension, condition ('' or WHERE ...), columns json, references oid[] (of its foreign keys, itself aside)
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
)
SELECT c.oid, n.nspname::text AS schema, c.relname::text AS name, e.extname::text AS extension,
       coalesce(e.extcondition[t.position], '') AS condition,
       coalesce((SELECT json_agg(json_build_object(
                            'name', a.attname,
                            'type_name', pg_catalog.format_type(a.atttypid, a.atttypmod),
                            'not_null', a.attnotnull,
                            'generated', a.attgenerated <> '',
                            'binary_safe', NOT EXISTS (SELECT FROM unsafe_type u WHERE u.oid = a.atttypid)
                        ) ORDER BY a.attnum)
                 FROM pg_catalog.pg_attribute a
                 WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped), '[]')::text AS columns,
       ARRAY(SELECT k.confrelid FROM pg_catalog.pg_constraint k
             WHERE k.conrelid = c.oid AND k.contype = 'f' AND k.confrelid <> c.oid) AS references
FROM pg_catalog.pg_extension e
CROSS JOIN LATERAL unnest(e.extconfig) WITH ORDINALITY t (oid, position)
JOIN pg_catalog.pg_class c ON c.oid = t.oid AND c.relkind = 'r'
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
ORDER BY n.nspname, c.relname

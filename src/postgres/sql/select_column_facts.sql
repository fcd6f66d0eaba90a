-- $1 oid[]: tables; one row per column: what kind of value it holds, the values that its type or a check allows, and
-- what the planner's statistics say of those that are there
SELECT a.attrelid AS relation,
       a.attnum::int4 AS number,
       a.attname::text AS name,
       quote_ident(a.attname) AS written,
       pg_catalog.format_type(a.atttypid, a.atttypmod) AS type_name,
       CASE WHEN b.typtype = 'e' THEN 'enum'
            WHEN b.typname = 'bool' THEN 'boolean'
            WHEN b.typname IN ('timestamptz', 'timestamp', 'date') THEN 'time'
            WHEN b.typname IN ('text', 'varchar', 'bpchar') THEN 'text'
            WHEN b.typname IN ('int2', 'int4', 'int8') THEN 'integer'
            ELSE 'other' END AS kind,
       a.attnotnull AS not_null,
       a.atthasdef OR a.attidentity <> '' AS has_default,
       a.attgenerated <> '' AS generated,
       coalesce((SELECT array_agg(e.enumlabel::text ORDER BY e.enumsortorder)
                 FROM pg_catalog.pg_enum e WHERE e.enumtypid = b.oid), '{}') AS labels,
       coalesce((SELECT array_agg(pg_catalog.pg_get_constraintdef(k.oid) ORDER BY k.conname)
                 FROM pg_catalog.pg_constraint k
                 WHERE k.contype = 'c' AND k.conrelid = a.attrelid AND k.conkey = ARRAY[a.attnum]), '{}') AS checks,
       s.null_frac::float8 AS null_fraction,
       coalesce(s.most_common_vals::text::text[], '{}') AS common,
       coalesce(s.most_common_freqs::float8[], '{}') AS frequencies
FROM pg_catalog.pg_attribute a
JOIN pg_catalog.pg_class c ON c.oid = a.attrelid
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
JOIN pg_catalog.pg_type t ON t.oid = a.atttypid
JOIN pg_catalog.pg_type b ON b.oid = CASE WHEN t.typtype = 'd' THEN t.typbasetype ELSE t.oid END
LEFT JOIN pg_catalog.pg_stats s
    ON s.schemaname = n.nspname AND s.tablename = c.relname AND s.attname = a.attname
   AND s.inherited = (c.relkind = 'p')
WHERE a.attrelid = ANY ($1) AND a.attnum > 0 AND NOT a.attisdropped
ORDER BY a.attrelid, a.attnum

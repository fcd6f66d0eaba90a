-- no parameters; the sequences of the copy as they are called now; one that is gone, by the sequence that its column has
-- now: schema text, name text, heir_schema text, heir_name text
SELECT s.schema, s.name, n.nspname::text AS heir_schema, c.relname::text AS heir_name
FROM teal.sequence s
LEFT JOIN pg_catalog.pg_class kept ON kept.oid = s.oid AND kept.relkind = 'S'
LEFT JOIN LATERAL (
    SELECT d.objid AS oid FROM pg_catalog.pg_depend d
    WHERE kept.oid IS NULL AND d.classid = 'pg_catalog.pg_class'::regclass AND d.deptype IN ('a', 'i')
      AND d.refclassid = 'pg_catalog.pg_class'::regclass AND d.refobjid = s.owner_table AND d.refobjsubid = s.owner_column
    ORDER BY d.objid LIMIT 1
) replaced ON true
JOIN pg_catalog.pg_class c ON c.oid = coalesce(kept.oid, replaced.oid) AND c.relkind = 'S'
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace

-- no parameters; the schemas that this session resolves names in, quoted, ours and temporary ones last
SELECT pg_catalog.string_agg(pg_catalog.quote_ident(s.name), ', ' ORDER BY s.position) || ', pg_temp' AS path
FROM pg_catalog.unnest(pg_catalog.current_schemas(true)) WITH ORDINALITY s (name, position)
WHERE s.name NOT LIKE 'pg\_temp\_%'

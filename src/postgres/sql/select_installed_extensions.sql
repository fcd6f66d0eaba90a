-- $1 names text[]; what this server has of these extensions: name, available text (the default version, or NULL), schema
-- text (where it is installed here, quoted, or NULL)
SELECT n.name, a.default_version AS available, e.extnamespace::regnamespace::text AS schema
FROM unnest($1::text[]) n (name)
LEFT JOIN pg_catalog.pg_available_extensions a ON a.name = n.name
LEFT JOIN pg_catalog.pg_extension e ON e.extname = n.name
ORDER BY n.name

-- $1 names text[]; what this server has of these extensions: name, available text (the default version, or NULL), schema
-- text (where it is installed here, or NULL), may_create boolean
SELECT n.name, a.default_version AS available, e.extnamespace::regnamespace::text AS schema,
       coalesce((SELECT r.rolsuper FROM pg_catalog.pg_roles r WHERE r.rolname = current_user), false)
           OR coalesce(v.trusted, false) OR NOT coalesce(v.superuser, true) AS may_create
FROM unnest($1::text[]) n (name)
LEFT JOIN pg_catalog.pg_available_extensions a ON a.name = n.name
LEFT JOIN pg_catalog.pg_available_extension_versions v ON v.name = n.name AND v.version = a.default_version
LEFT JOIN pg_catalog.pg_extension e ON e.extname = n.name
ORDER BY n.name

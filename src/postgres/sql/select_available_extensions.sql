-- names text[]; what CREATE EXTENSION would give on this server: name text, version text, for_superusers boolean,
-- there boolean (in this database already)
SELECT a.name::text AS name, a.default_version AS version, coalesce(v.superuser AND NOT v.trusted, false) AS for_superusers,
       a.installed_version IS NOT NULL AS there
FROM pg_catalog.pg_available_extensions a
LEFT JOIN pg_catalog.pg_available_extension_versions v ON v.name = a.name AND v.version = a.default_version
WHERE a.name::text = ANY ($1::text[])
ORDER BY a.name

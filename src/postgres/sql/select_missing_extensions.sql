-- names text[]; those that can't be created on this server: name text
SELECT n.name FROM unnest($1::text[]) n (name)
WHERE NOT EXISTS (SELECT FROM pg_catalog.pg_available_extensions e WHERE e.name = n.name)

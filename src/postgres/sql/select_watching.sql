-- no parameters; the capture triggers that always fire, clones on partitions included
SELECT n.nspname::text AS schema, c.relname::text AS name, t.tgname::text AS trigger
FROM pg_catalog.pg_trigger t
JOIN pg_catalog.pg_proc f ON f.oid = t.tgfoid
JOIN pg_catalog.pg_namespace fn ON fn.oid = f.pronamespace
JOIN pg_catalog.pg_class c ON c.oid = t.tgrelid
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE fn.nspname = 'teal' AND f.proname ~ '^(capture|truncate|move)_[0-9]+$' AND t.tgenabled = 'A'

-- no parameters; capture triggers by relation, clones on partitions left out: they go with their parent's
SELECT n.nspname::text AS schema, c.relname::text AS name, array_agg(t.tgname::text ORDER BY t.tgname) AS triggers
FROM pg_catalog.pg_trigger t
JOIN pg_catalog.pg_proc f ON f.oid = t.tgfoid
JOIN pg_catalog.pg_namespace fn ON fn.oid = f.pronamespace
JOIN pg_catalog.pg_class c ON c.oid = t.tgrelid
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE fn.nspname = 'teal' AND f.proname ~ '^(capture|truncate|move)_[0-9]+$' AND t.tgparentid = 0
GROUP BY n.nspname, c.relname
ORDER BY n.nspname, c.relname

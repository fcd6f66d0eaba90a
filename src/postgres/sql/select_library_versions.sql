-- no parameters; the version by which each library sorts on this server, of one collation each: provider, version
SELECT DISTINCT ON (c.collprovider) c.collprovider::text AS provider, pg_catalog.pg_collation_actual_version(c.oid) AS version
FROM pg_catalog.pg_collation c
WHERE c.collnamespace = 'pg_catalog'::regnamespace AND c.collprovider IN ('c', 'i')
  AND c.collname IN ('en_US.utf8', 'und-x-icu', 'en-x-icu')
  AND pg_catalog.pg_collation_actual_version(c.oid) IS NOT NULL
ORDER BY c.collprovider, c.collname

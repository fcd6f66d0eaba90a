-- no parameters; collations of the system, but those that every server has, that something here uses: name text
SELECT DISTINCT c.collname::text AS name
FROM pg_catalog.pg_depend d
JOIN pg_catalog.pg_collation c ON c.oid = d.refobjid AND c.collnamespace = 'pg_catalog'::regnamespace
WHERE d.refclassid = 'pg_catalog.pg_collation'::regclass
ORDER BY 1

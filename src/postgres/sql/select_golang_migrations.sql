-- :table name, as text; how far golang-migrate got: version, description, checksum, state, all text
SELECT version::text, NULL::text AS description, NULL::text AS checksum,
       CASE WHEN dirty THEN 'failed' ELSE 'in' END AS state
FROM :table

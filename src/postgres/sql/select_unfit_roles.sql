-- roles text[], owns boolean[] (pairs); those that this server lacks, and owners whose member our role is not:
-- role text, missing boolean
SELECT n.role, r.oid IS NULL AS missing
FROM unnest($1::text[], $2::boolean[]) n (role, owns)
LEFT JOIN pg_catalog.pg_roles r ON r.rolname = n.role
-- pg_database_owner has no members but the owner of the database, and the schema that it owns is there already
WHERE r.oid IS NULL
   OR (n.owns AND n.role <> 'pg_database_owner' AND NOT pg_catalog.pg_has_role(r.oid, 'MEMBER'))
ORDER BY n.role

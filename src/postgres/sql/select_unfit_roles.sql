-- roles text[], owns boolean[] (pairs); those that this server lacks, and owners whose member our role is not:
-- role text, missing boolean
SELECT n.role, r.oid IS NULL AS missing
FROM unnest($1::text[], $2::boolean[]) n (role, owns)
LEFT JOIN pg_catalog.pg_roles r ON r.rolname = n.role
-- pg_database_owner has no members but the owner of the database, and the schema that it owns is there already
WHERE r.oid IS NULL
   -- since 16 a membership may come without SET, which ALTER ... OWNER TO asks for: who made a role has it only WITH ADMIN
   OR (n.owns AND n.role <> 'pg_database_owner' AND NOT pg_catalog.pg_has_role(r.oid,
           CASE WHEN pg_catalog.current_setting('server_version_num')::int >= 160000 THEN 'SET' ELSE 'MEMBER' END))
ORDER BY n.role

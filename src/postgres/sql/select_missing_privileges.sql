-- no parameters; what our role lacks on user tables and sequences: lack text, object text, remedy text
WITH relation AS (
    SELECT c.oid, c.relkind, c.relowner, n.oid AS schema_oid, n.nspname, n.nspowner, format('%I.%I', n.nspname, c.relname) AS name,
           pg_catalog.pg_has_role(c.relowner, 'USAGE') AS owned
    FROM pg_catalog.pg_class c
    JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind IN ('r', 'p', 'S') AND c.relpersistence <> 't'
      AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast', 'teal')
      AND n.nspname NOT LIKE 'pg\_temp\_%'
      AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend d
                      WHERE d.classid = 'pg_catalog.pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')
),
-- being a member of these is asked for anyway, and gives the rights on what they own
wanted (owner) AS (
    SELECT r.relowner FROM relation r WHERE r.relkind <> 'S' AND NOT r.owned
)
SELECT 'owner' AS lack, r.name AS object,
       format('GRANT %I TO %I;', pg_catalog.pg_get_userbyid(r.relowner), current_user) AS remedy
FROM relation r WHERE r.relkind <> 'S' AND NOT r.owned
UNION ALL
SELECT DISTINCT 'usage', quote_ident(r.nspname), format('GRANT USAGE ON SCHEMA %I TO %I;', r.nspname, current_user)
FROM relation r WHERE NOT pg_catalog.has_schema_privilege(r.schema_oid, 'USAGE')
  AND r.nspowner NOT IN (SELECT w.owner FROM wanted w)
UNION ALL -- the owner's rights include this one, unless somebody took it away
SELECT 'select', r.name,
       format('GRANT SELECT ON %s %s TO %I;', CASE r.relkind WHEN 'S' THEN 'SEQUENCE' ELSE 'TABLE' END, r.name,
           current_user)
FROM relation r
WHERE (r.relkind = 'S' OR r.owned) AND r.relowner NOT IN (SELECT w.owner FROM wanted w)
  AND NOT CASE r.relkind WHEN 'S' THEN pg_catalog.has_sequence_privilege(r.oid, 'SELECT')
                         ELSE pg_catalog.has_table_privilege(r.oid, 'SELECT') END
UNION ALL -- owners pass their own policies unless these are forced; a table that is not ours yet is named above
SELECT 'row security', r.name, format('ALTER ROLE %I BYPASSRLS;', current_user)
FROM relation r WHERE r.relkind <> 'S' AND r.owned AND pg_catalog.row_security_active(r.oid)
UNION ALL
SELECT 'statistics', 'pg_read_all_stats', format('GRANT pg_read_all_stats TO %I;', current_user)
WHERE NOT pg_catalog.pg_has_role('pg_read_all_stats', 'USAGE')
ORDER BY lack, remedy, object

-- no parameters; comment, owner and privileges of this database and of the schema public, as statements that make them so
-- once select_property_resets.sql was followed: sql text
WITH object (step, kind, name, owner, acl, comment) AS (
    SELECT 1, 'DATABASE', quote_ident(d.datname), d.datdba, coalesce(d.datacl, acldefault('d', d.datdba)),
           pg_catalog.shobj_description(d.oid, 'pg_database')
    FROM pg_catalog.pg_database d WHERE d.datname = current_database()
  UNION ALL
    SELECT 2, 'SCHEMA', 'public', n.nspowner, coalesce(n.nspacl, acldefault('n', n.nspowner)),
           pg_catalog.obj_description(n.oid, 'pg_namespace')
    FROM pg_catalog.pg_namespace n WHERE n.nspname = 'public'
)
SELECT s.sql FROM (
    SELECT o.step, 1 AS part, 0::bigint AS position,
           format('ALTER %s %s OWNER TO %I', o.kind, o.name, pg_catalog.pg_get_userbyid(o.owner)) AS sql
    FROM object o
  UNION ALL
    SELECT o.step, 2, 0, format('COMMENT ON %s %s IS %L', o.kind, o.name, o.comment) FROM object o
  UNION ALL
    SELECT o.step, 3, x.position, format('GRANT %s ON %s %s TO %s%s', x.privilege_type, o.kind, o.name,
               CASE x.grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_catalog.pg_get_userbyid(x.grantee)) END,
               CASE WHEN x.is_grantable THEN ' WITH GRANT OPTION' ELSE '' END)
    FROM object o
    CROSS JOIN LATERAL aclexplode(o.acl) WITH ORDINALITY x (grantor, grantee, privilege_type, is_grantable, position)
) s
ORDER BY s.step, s.part, s.position

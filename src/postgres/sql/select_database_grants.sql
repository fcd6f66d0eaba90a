-- no parameters; comment and privileges of this database as statements in order, %DATABASE% for its name, but those that
-- its owner has by itself: role text (NULL where none is named), sql text
SELECT s.role, s.sql FROM (
    SELECT 1 AS step, 0 AS position, NULL AS role,
           'COMMENT ON DATABASE %DATABASE% IS ' || pg_catalog.quote_literal(pg_catalog.shobj_description(d.oid, 'pg_database')) AS sql
    FROM pg_catalog.pg_database d
    WHERE d.datname = current_database() AND pg_catalog.shobj_description(d.oid, 'pg_database') IS NOT NULL
  UNION ALL
    SELECT 2, 0, NULL, 'REVOKE ALL ON DATABASE %DATABASE% FROM PUBLIC'
    FROM pg_catalog.pg_database d WHERE d.datname = current_database()
  UNION ALL
    SELECT 3, x.position, CASE WHEN x.grantee <> 0 THEN pg_catalog.pg_get_userbyid(x.grantee)::text END,
           format('GRANT %s ON DATABASE ', x.privilege_type) || '%DATABASE%'
               || format(' TO %s%s', CASE x.grantee WHEN 0 THEN 'PUBLIC'
                                          ELSE quote_ident(pg_catalog.pg_get_userbyid(x.grantee)) END,
                      CASE WHEN x.is_grantable THEN ' WITH GRANT OPTION' ELSE '' END)
    FROM pg_catalog.pg_database d
    CROSS JOIN LATERAL aclexplode(coalesce(d.datacl, acldefault('d', d.datdba))) WITH ORDINALITY x (grantor, grantee, privilege_type, is_grantable, position)
    WHERE d.datname = current_database() AND x.grantee <> d.datdba
) s
ORDER BY s.step, s.position

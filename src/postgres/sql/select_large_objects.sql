-- $1 after oid, $2 most int8; large objects in order of their OIDs, those after $1, with what their metadata say as
-- statements in an order in which they can be run: oid, bytes, definition text[]; our role must be allowed to read them
WITH page AS MATERIALIZED (
    SELECT m.oid, m.lomacl, quote_ident(pg_catalog.pg_get_userbyid(m.lomowner)) AS owner
    FROM pg_catalog.pg_largeobject_metadata m
    WHERE m.oid > $1::oid
    ORDER BY m.oid
    LIMIT $2
),
-- 262144 is INV_READ, 2 is SEEK_END (libpq/libpq-fs.h, stdio.h)
opened AS MATERIALIZED (SELECT p.oid, pg_catalog.lo_open(p.oid, 262144) AS fd FROM page p),
sized AS MATERIALIZED (SELECT o.oid, o.fd, pg_catalog.lo_lseek64(o.fd, 0, 2) AS bytes FROM opened o),
closed AS MATERIALIZED (SELECT s.oid, s.bytes, pg_catalog.lo_close(s.fd) FROM sized s)
SELECT p.oid, c.bytes,
       ARRAY[format('ALTER LARGE OBJECT %s OWNER TO %s', p.oid, p.owner)]
       || CASE WHEN d.description IS NOT NULL
               THEN ARRAY[format('COMMENT ON LARGE OBJECT %s IS %L', p.oid, d.description)] ELSE '{}' END
       || CASE WHEN p.lomacl IS NOT NULL
               THEN ARRAY[format('REVOKE ALL ON LARGE OBJECT %s FROM %s', p.oid, p.owner)] ELSE '{}' END
       -- a grant is recorded as the owner's unless its grantor gives it
       || ARRAY(SELECT CASE WHEN g.grantor = p.owner THEN g.given
                            ELSE format('SET ROLE %s; %s; RESET ROLE', g.grantor, g.given) END
                FROM (SELECT x.position, quote_ident(pg_catalog.pg_get_userbyid(x.grantor)) AS grantor,
                             format('GRANT %s ON LARGE OBJECT %s TO %s%s', x.privilege_type, p.oid,
                                 CASE x.grantee WHEN 0 THEN 'PUBLIC'
                                     ELSE quote_ident(pg_catalog.pg_get_userbyid(x.grantee)) END,
                                 CASE WHEN x.is_grantable THEN ' WITH GRANT OPTION' ELSE '' END) AS given
                      FROM pg_catalog.aclexplode(p.lomacl) WITH ORDINALITY
                               x (grantor, grantee, privilege_type, is_grantable, position)) g
                ORDER BY g.position) AS definition
FROM page p
JOIN closed c ON c.oid = p.oid
LEFT JOIN pg_catalog.pg_description d
    ON d.classoid = 'pg_catalog.pg_largeobject'::regclass AND d.objoid = p.oid AND d.objsubid = 0
ORDER BY p.oid

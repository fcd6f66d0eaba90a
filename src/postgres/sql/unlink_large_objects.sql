-- no parameters; unlinks some large objects of this database that our role may; a row each
SELECT pg_catalog.lo_unlink(m.oid)
FROM (SELECT m.oid FROM pg_catalog.pg_largeobject_metadata m
      WHERE pg_catalog.pg_has_role(m.lomowner, 'USAGE') ORDER BY m.oid LIMIT 500) m

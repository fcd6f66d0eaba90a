-- $1 oids oid[], $2 starts int8[], $3 contents bytea[]; writes each piece
SELECT pg_catalog.lo_put(p.oid, p.start, p.content)
FROM unnest($1::oid[], $2::int8[], $3::bytea[]) p (oid, start, content)

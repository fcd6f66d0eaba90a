-- $1 oids oid[], $2 starts int8[], $3 lengths int4[]; the content of each piece: bytea, in the order asked for
SELECT pg_catalog.lo_get(p.oid, p.start, p.length)
FROM unnest($1::oid[], $2::int8[], $3::int4[]) WITH ORDINALITY p (oid, start, length, position)
ORDER BY p.position

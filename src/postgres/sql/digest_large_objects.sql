-- $1 oids oid[], $2 starts int8[], $3 lengths int4[]; the SHA-256 of each piece with its place: bytea, in no order
SELECT sha256(pg_catalog.oidsend(p.oid) || pg_catalog.int8send(p.start) || pg_catalog.lo_get(p.oid, p.start, p.length))
FROM unnest($1::oid[], $2::int8[], $3::int4[]) p (oid, start, length)

-- $1 pg_snapshot as text: of the copy, $2 int8: ids above it, $3 int8: how many; events not taken yet, in order
SELECT e.id, e.event, e.relation, e.key::text AS key, e."row"::text AS image,
       pg_catalog.pg_visible_in_snapshot(e.xid, $1::text::pg_catalog.pg_snapshot) AS in_copy
FROM teal.event e
WHERE e.taken_at IS NULL AND e.id > $2
ORDER BY e.id
LIMIT $3

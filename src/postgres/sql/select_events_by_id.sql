-- $1 int8[]: ids; these events, in order
SELECT e.id, e.event, e.relation, e.key::text AS key, e."row"::text AS image, false AS in_copy
FROM teal.event e
WHERE e.id = ANY ($1)
ORDER BY e.id

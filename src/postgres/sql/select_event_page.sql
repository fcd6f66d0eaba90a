-- $1 int8: ids above it, $2 int8: how many, $3 text: taken after this moment; taken events in order, and whether a
-- later event of another name has the same key
SELECT e.id, e.event, e.key::text AS key, e."row"::text AS image,
       EXISTS (SELECT FROM teal.event later
               WHERE later.relation = e.relation AND later.key = e.key
                 AND later.id > e.id AND later.event <> e.event) AS superseded
FROM teal.event e
WHERE e.id > $1 AND e.taken_at > $3::text::timestamptz
ORDER BY e.id
LIMIT $2

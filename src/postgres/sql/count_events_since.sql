-- $1 snapshot text: how many events came after it, by relation
SELECT relation, count(*) AS events
  FROM teal.event
 WHERE NOT pg_catalog.pg_visible_in_snapshot(xid, $1::text::pg_catalog.pg_snapshot)
 GROUP BY relation

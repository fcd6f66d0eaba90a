-- $1 int8[] event_id, $2 text[] event, $3 text[] outcome, $4 text[] relation, $5 text[] key as JSON, $6 text[] error
-- unnest of several arrays is syntax, not a function: it takes no schema
INSERT INTO teal.applied AS a (event_id, event, outcome, relation, key, error)
SELECT r.event_id, r.event, r.outcome, r.relation, r.key::jsonb, r.error
FROM unnest($1::bigint[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[])
     r (event_id, event, outcome, relation, key, error)
-- a dead letter may become something better, or stay one with a new error; nothing else is ever written twice
ON CONFLICT (event_id) DO UPDATE SET outcome = excluded.outcome, error = excluded.error, at = clock_timestamp()
WHERE a.outcome = 'dead letter'

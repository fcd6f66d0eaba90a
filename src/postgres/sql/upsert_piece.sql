-- $1 step text, $2 number int, $3 digest text, $4 done boolean, $5 before oid[]; a statement announced, or done
INSERT INTO teal.piece (step, number, digest, done, before) VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (step, number) DO UPDATE SET digest = excluded.digest, done = excluded.done, at = pg_catalog.clock_timestamp()

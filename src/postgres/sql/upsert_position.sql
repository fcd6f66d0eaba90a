-- $1 step text, $2 number int, $3 key text[], $4 stop text[], $5 rows bigint in this batch; in the transaction of the batch
INSERT INTO teal.position (step, number, key, stop, rows) VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (step, number) DO UPDATE SET key = excluded.key, rows = teal.position.rows + excluded.rows

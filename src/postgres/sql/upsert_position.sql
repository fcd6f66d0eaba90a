-- $1 step text, $2 number int, $3 key text[], $4 rows bigint in this batch; in the transaction of the batch that ends there
INSERT INTO teal.position (step, number, key, rows) VALUES ($1, $2, $3, $4)
ON CONFLICT (step, number) DO UPDATE SET key = excluded.key, rows = teal.position.rows + excluded.rows

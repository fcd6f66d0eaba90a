-- $1 text: a partitioned table as SQL, $2 text: a partition of it; whether its detachment is pending; none where it is detached
SELECT i.inhdetachpending AS pending
FROM pg_catalog.pg_inherits i
WHERE i.inhparent = pg_catalog.to_regclass($1) AND i.inhrelid = pg_catalog.to_regclass($2)

-- :table name, as text; what is in by sqlx's bookkeeping: version, description, checksum, state, all text
SELECT version::text, description, pg_catalog.encode(checksum, 'hex') AS checksum,
       CASE WHEN success THEN 'in' ELSE 'failed' END AS state
FROM :table
ORDER BY version

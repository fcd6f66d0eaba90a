-- :table name, as text; what is in by refinery's bookkeeping: version, description, checksum, state, all text
SELECT version::text, name::text AS description, checksum::text, 'in' AS state FROM :table ORDER BY version

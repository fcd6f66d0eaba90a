-- :table name, as text; what is in by dbmate's bookkeeping: version, description, checksum, state, all text
SELECT version::text, NULL::text AS description, NULL::text AS checksum, 'in' AS state FROM :table ORDER BY version

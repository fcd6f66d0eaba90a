-- :table name, as text; what is in by goose's bookkeeping, oldest first: version, description, checksum, state, all text
SELECT version_id::text AS version, NULL::text AS description, NULL::text AS checksum,
       CASE WHEN is_applied THEN 'in' ELSE 'undone' END AS state
FROM :table
WHERE version_id <> 0
ORDER BY id

-- :table name, as text; what is in by Flyway's bookkeeping, oldest first: version, description, checksum, state, all text
SELECT version::text, description::text, checksum::text,
       CASE WHEN NOT success THEN 'failed'
            WHEN type LIKE 'UNDO%' OR type = 'DELETE' THEN 'undone'
            WHEN type IN ('BASELINE', 'SQL_BASELINE') THEN 'baseline'
            ELSE 'in' END AS state
FROM :table
WHERE type <> 'SCHEMA'
ORDER BY installed_rank

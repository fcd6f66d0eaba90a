-- no parameters; what ran in this database, the most called first; search_path leads to the extension's schema
SELECT s.query, pg_catalog.sum(s.calls)::int8 AS calls
FROM pg_stat_statements s
JOIN pg_catalog.pg_database d ON d.oid = s.dbid
WHERE d.datname = pg_catalog.current_database() AND s.query IS NOT NULL
GROUP BY s.query
ORDER BY calls DESC, s.query

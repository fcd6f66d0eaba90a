-- no parameters; subscriptions of this database that are enabled, quoted
SELECT quote_ident(s.subname) AS name
FROM pg_catalog.pg_subscription s
JOIN pg_catalog.pg_database d ON d.oid = s.subdbid
WHERE s.subenabled AND d.datname = pg_catalog.current_database()
ORDER BY 1

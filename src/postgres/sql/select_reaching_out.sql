-- no parameters; statements that cut this database off from others: logins of foreign servers, and where these are
SELECT pg_catalog.format('DROP USER MAPPING FOR %s SERVER %I',
                         CASE WHEN u.umuser = 0 THEN 'PUBLIC' ELSE pg_catalog.quote_ident(u.usename::text) END,
                         u.srvname) AS sql
FROM pg_catalog.pg_user_mappings u
UNION ALL
SELECT pg_catalog.format('ALTER SERVER %I OPTIONS (SET %I %L)', s.srvname, o.option_name, 'cut-off.invalid')
FROM pg_catalog.pg_foreign_server s,
     pg_catalog.pg_options_to_table(s.srvoptions) o
WHERE o.option_name IN ('host', 'hostaddr')
UNION ALL
SELECT pg_catalog.format('ALTER SUBSCRIPTION %I DISABLE', s.subname)
FROM pg_catalog.pg_subscription s
JOIN pg_catalog.pg_database d ON d.oid = s.subdbid
WHERE d.datname = pg_catalog.current_database() AND s.subenabled
ORDER BY 1

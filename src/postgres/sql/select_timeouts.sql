-- no parameters; timeouts that this database or our role sets for new sessions: setting text ("name=value for role x")
SELECT c.setting
           || CASE WHEN s.setrole <> 0 THEN ' for role ' || quote_ident(pg_catalog.pg_get_userbyid(s.setrole)) ELSE '' END
           || CASE WHEN s.setdatabase <> 0 THEN ' in this database' ELSE '' END AS setting
FROM pg_catalog.pg_db_role_setting s, unnest(s.setconfig) c (setting)
WHERE s.setdatabase IN (0, (SELECT d.oid FROM pg_catalog.pg_database d
                            WHERE d.datname = pg_catalog.current_database()))
  AND s.setrole IN (0, (SELECT r.oid FROM pg_catalog.pg_roles r WHERE r.rolname = session_user))
  AND pg_catalog.split_part(c.setting, '=', 1) IN ('statement_timeout', 'lock_timeout', 'transaction_timeout',
          'idle_in_transaction_session_timeout', 'idle_session_timeout')
  AND pg_catalog.split_part(c.setting, '=', 2) <> '0'
ORDER BY 1

-- no parameters; whether our role may make a schema in this database: role text, database text, may_create boolean
SELECT current_user::text AS role, pg_catalog.current_database()::text AS database,
       pg_catalog.has_database_privilege(pg_catalog.current_database(), 'CREATE') AS may_create

-- no parameters; the version of the database's own collation, as it was made and as the library has it (15): made text, now text
SELECT d.datcollversion AS made, pg_catalog.pg_database_collation_actual_version(d.oid) AS now
FROM pg_catalog.pg_database d WHERE d.datname = pg_catalog.current_database()

-- no parameters; whether our role has the rights of the owner of this database: boolean
SELECT pg_catalog.pg_has_role(d.datdba, 'USAGE') FROM pg_catalog.pg_database d
WHERE d.datname = pg_catalog.current_database()

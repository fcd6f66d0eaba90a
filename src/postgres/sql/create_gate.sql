-- no parameters; the function behind green's gate. SECURITY DEFINER: the application's roles can't read the pass.
CREATE OR REPLACE FUNCTION teal.refuse_until_open() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF EXISTS (SELECT FROM teal.gate g
               WHERE g.open OR g.pass = pg_catalog.current_setting('teal.pass', true)) THEN
        RETURN NULL;
    END IF;
    RAISE EXCEPTION 'this database takes no writes yet: the upgrade to it has not been decided'
        USING ERRCODE = 'read_only_sql_transaction',
              HINT = 'It opens at the cutover; until then write to the database that serves.';
END $$;

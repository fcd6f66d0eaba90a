-- no parameters; everything that capture left, its functions included; safe to run again
DO $$
DECLARE f regprocedure;
BEGIN
    FOR f IN SELECT p.oid::regprocedure FROM pg_catalog.pg_proc p
             JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace
             WHERE n.nspname = 'teal' AND p.proname ~ '^(capture|truncate|move)_[0-9]+$'
    LOOP
        EXECUTE pg_catalog.format('DROP FUNCTION %s', f);
    END LOOP;
END $$;
DROP TABLE IF EXISTS teal.event, teal.overflow, teal.moving, teal.capture;
DROP SEQUENCE IF EXISTS teal.event_id;

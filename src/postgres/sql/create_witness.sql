-- no parameters; event triggers that write down what commands ran, what was dropped and what was written anew, one JSON
-- array a line, in the setting teal.witness: a table of ours could be met by what is traced
CREATE SCHEMA IF NOT EXISTS teal;
CREATE OR REPLACE FUNCTION teal.witness() RETURNS event_trigger LANGUAGE plpgsql SET search_path = pg_catalog AS $$
DECLARE
    said text := COALESCE(pg_catalog.current_setting('teal.witness', true), '');
    one record;
BEGIN
    IF tg_event = 'ddl_command_end' THEN
        FOR one IN SELECT * FROM pg_catalog.pg_event_trigger_ddl_commands() LOOP
            said := said || pg_catalog.json_build_array('ran', one.command_tag, one.object_type, one.object_identity)::text
                         || E'\n';
        END LOOP;
    ELSE
        FOR one IN SELECT * FROM pg_catalog.pg_event_trigger_dropped_objects() WHERE NOT is_temporary LOOP
            said := said || pg_catalog.json_build_array(CASE WHEN one.original THEN 'dropped' ELSE 'took along' END,
                                                        tg_tag, one.object_type, one.object_identity)::text || E'\n';
        END LOOP;
    END IF;
    PERFORM pg_catalog.set_config('teal.witness', said, false);
END $$;
CREATE EVENT TRIGGER teal_witness_ran ON ddl_command_end EXECUTE FUNCTION teal.witness();
CREATE EVENT TRIGGER teal_witness_dropped ON sql_drop EXECUTE FUNCTION teal.witness();

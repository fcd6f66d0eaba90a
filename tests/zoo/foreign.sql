-- Foreign data: wrappers, servers, mappings, tables, a foreign partition; publications.
CREATE SCHEMA "foreign";
CREATE EXTENSION file_fdw SCHEMA "foreign";
CREATE EXTENSION postgres_fdw;
SET search_path = "foreign";
CREATE FOREIGN DATA WRAPPER zoo_wrapper HANDLER file_fdw_handler VALIDATOR file_fdw_validator;
CREATE FOREIGN DATA WRAPPER zoo_hollow OPTIONS (debug 'it''s');
COMMENT ON FOREIGN DATA WRAPPER zoo_hollow IS 'a wrapper';
CREATE SERVER zoo_files FOREIGN DATA WRAPPER file_fdw;
CREATE SERVER "zoo Remote" TYPE 'a type' VERSION '1' FOREIGN DATA WRAPPER postgres_fdw OPTIONS (host 'nowhere.invalid', dbname 'a ''b');
COMMENT ON SERVER zoo_files IS 'a server';
CREATE USER MAPPING FOR PUBLIC SERVER "zoo Remote" OPTIONS (user 'u', password 'it''s \ secret');
CREATE USER MAPPING FOR zoo_reader SERVER "zoo Remote";
CREATE FOREIGN TABLE file (a int, b text OPTIONS (force_null 'true')) SERVER zoo_files OPTIONS (filename '/nowhere', format 'csv');
CREATE FOREIGN TABLE remote (id int NOT NULL, v text OPTIONS (column_name 'Odd') COLLATE "C" DEFAULT 'x', CHECK (id > 0)) SERVER "zoo Remote" OPTIONS (table_name 't');
CREATE TABLE mixed (k int, v text) PARTITION BY LIST (k);
CREATE TABLE mixed_here PARTITION OF mixed FOR VALUES IN (1);
CREATE FOREIGN TABLE mixed_there PARTITION OF mixed FOR VALUES IN (2) SERVER zoo_files OPTIONS (filename '/nowhere');
INSERT INTO mixed VALUES (1, 'here');
CREATE VIEW over_remote AS SELECT * FROM remote;
CREATE TRIGGER on_remote BEFORE INSERT ON remote FOR EACH ROW EXECUTE FUNCTION triggers.touch();
ALTER FOREIGN TABLE remote ALTER v SET STATISTICS 3;

CREATE PUBLICATION zoo_all FOR ALL TABLES WITH (publish = 'insert,truncate', publish_via_partition_root);
CREATE PUBLICATION zoo_some FOR TABLE constraints.hen (id), ONLY inheritance.animal, partitions.event_us WHERE (id > 5);
CREATE PUBLICATION zoo_schema FOR TABLES IN SCHEMA types, "values";
CREATE PUBLICATION zoo_none;
COMMENT ON PUBLICATION zoo_some IS 'a publication';
RESET search_path;

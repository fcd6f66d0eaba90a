-- :table name, as text; diesel's own table
CREATE TABLE :table (version varchar(50) PRIMARY KEY NOT NULL, run_on timestamp NOT NULL DEFAULT CURRENT_TIMESTAMP)

-- :table name, as text; golang-migrate's own table
CREATE TABLE :table (version bigint NOT NULL PRIMARY KEY, dirty boolean NOT NULL)

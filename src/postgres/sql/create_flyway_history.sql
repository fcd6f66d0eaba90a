-- :table name, :pk name, :s_idx name, as text; Flyway's own table, as its PostgreSQLDatabase makes it
CREATE TABLE :table (
    installed_rank int NOT NULL,
    version varchar(50),
    description varchar(200) NOT NULL,
    type varchar(20) NOT NULL,
    script varchar(1000) NOT NULL,
    checksum int,
    installed_by varchar(100) NOT NULL,
    installed_on timestamp NOT NULL DEFAULT pg_catalog.now(),
    execution_time int NOT NULL,
    success boolean NOT NULL,
    CONSTRAINT :pk PRIMARY KEY (installed_rank)
);
CREATE INDEX :s_idx ON :table (success)

-- :table name, :version_idx name, :self_idx name, as text; pop's own table, as ory/x's popx makes it: wide enough for versions of 20 digits
CREATE TABLE :table (version varchar(48) NOT NULL, version_self int NOT NULL DEFAULT 0);
CREATE UNIQUE INDEX :version_idx ON :table (version);
CREATE INDEX :self_idx ON :table (version_self)

-- :table name, as text; dbmate's own table
CREATE TABLE :table (version varchar(128) PRIMARY KEY)

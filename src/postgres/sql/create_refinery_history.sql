-- :table name, as text; refinery's own table
CREATE TABLE :table (
    version int4 PRIMARY KEY,
    name varchar(255),
    applied_on varchar(255),
    checksum varchar(255)
)

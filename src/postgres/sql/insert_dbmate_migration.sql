-- :table name, :version text; as dbmate records it
INSERT INTO :table (version) VALUES (:version)

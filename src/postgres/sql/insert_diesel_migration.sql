-- :table name, :version text; as diesel records it
INSERT INTO :table (version) VALUES (:version)

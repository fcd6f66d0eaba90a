-- :table name, :version text; as pop records it
INSERT INTO :table (version) VALUES (:version)

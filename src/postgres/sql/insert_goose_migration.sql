-- :table name, :version text; as goose records it
INSERT INTO :table (version_id, is_applied) VALUES (:version::text::bigint, true)

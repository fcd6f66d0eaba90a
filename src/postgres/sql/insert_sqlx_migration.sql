-- :table name, :version text, :description text, :checksum text, :ns text; as sqlx records it
INSERT INTO :table (version, description, success, checksum, execution_time)
VALUES (:version::text::bigint, :description, true, pg_catalog.decode(:checksum, 'hex'), :ns::text::bigint)

-- :table name, :version text, :description text, :checksum text; as refinery records it, the time in RFC 3339
INSERT INTO :table (version, name, applied_on, checksum)
VALUES (:version::text::int, :description,
        pg_catalog.to_char(pg_catalog.now() AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'), :checksum)

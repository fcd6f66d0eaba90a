-- :table name, :version text; the one row of golang-migrate
WITH moved AS (
    UPDATE :table SET version = :version::text::bigint, dirty = false RETURNING version
)
INSERT INTO :table (version, dirty) SELECT :version::text::bigint, false WHERE NOT EXISTS (SELECT FROM moved)

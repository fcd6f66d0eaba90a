-- All refresh tokens that descend from one consent are a family: one stolen token ends them all.
ALTER TABLE oauth_refresh_token
    ADD COLUMN family_id bigint,
    ADD COLUMN spent_at timestamptz;

UPDATE oauth_refresh_token
SET family_id = grant_id,
    spent_at = CASE WHEN status = 'unused' THEN NULL ELSE coalesce(status_changed_at, issued_at) END;

ALTER TABLE oauth_refresh_token
    ALTER COLUMN family_id SET NOT NULL,
    DROP COLUMN status,
    DROP COLUMN status_changed_at;

DROP TYPE refresh_status;

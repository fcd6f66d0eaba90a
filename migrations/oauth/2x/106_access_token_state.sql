-- "active" becomes a state with a time, and the lifetime that the token was issued with is kept.
CREATE TYPE token_state AS ENUM ('active', 'revoked');

ALTER TABLE oauth_access_token
    ADD COLUMN state token_state NOT NULL DEFAULT 'active',
    ADD COLUMN revoked_at timestamptz,
    ADD COLUMN lifetime interval;

UPDATE oauth_access_token
SET state = CASE WHEN active THEN 'active' ELSE 'revoked' END::token_state,
    revoked_at = CASE WHEN active THEN NULL ELSE now() END,
    lifetime = expires_at - issued_at;

-- The partial index on "active" goes with its column.
ALTER TABLE oauth_access_token
    ALTER COLUMN lifetime SET NOT NULL,
    ADD CONSTRAINT oauth_access_token_revoked CHECK ((state = 'revoked') = (revoked_at IS NOT NULL)),
    DROP COLUMN active;

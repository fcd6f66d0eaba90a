-- $1 text: access token; one row per row changed: effect, kind, key
WITH revoked AS (
    UPDATE oauth_access_token SET state = 'revoked', revoked_at = now()
    WHERE signature = $1 AND state = 'active'
    RETURNING signature
)
SELECT 'ended' AS effect, 'access token' AS kind, signature AS key FROM revoked

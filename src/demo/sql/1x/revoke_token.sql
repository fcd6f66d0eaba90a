-- $1 text: access token; one row per row changed: effect, kind, key
WITH revoked AS (
    UPDATE access_token SET active = false WHERE signature = $1 AND active RETURNING signature
)
SELECT 'ended' AS effect, 'access token' AS kind, signature AS key FROM revoked

-- $1 text: refresh token, $2 text: new access token, $3 text: new refresh token; one row per row changed: effect, kind, key
WITH spent AS (
    UPDATE oauth_refresh_token r SET spent_at = now()
    FROM oauth_grant c
    WHERE r.signature = $1 AND r.spent_at IS NULL AND c.id = r.grant_id AND c.state = 'granted'
    RETURNING r.signature, r.grant_id, r.family_id, c.client_id, array_to_string(c.scopes, ' ') AS scope
), access AS (
    INSERT INTO oauth_access_token (signature, grant_id, client_id, scope, expires_at, lifetime)
    SELECT $2, grant_id, client_id, scope, now() + interval '30 days', interval '30 days' FROM spent
    RETURNING signature
), refresh AS (
    INSERT INTO oauth_refresh_token (signature, grant_id, family_id)
    SELECT $3, grant_id, family_id FROM spent
    RETURNING signature
)
SELECT 'ended' AS effect, 'refresh token' AS kind, signature AS key FROM spent
UNION ALL SELECT 'wrote', 'access token', signature FROM access
UNION ALL SELECT 'wrote', 'refresh token', signature FROM refresh

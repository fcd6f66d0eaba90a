-- $1 text: code, $2 text: new access token, $3 text: new refresh token; one row per row changed: effect, kind, key
WITH code AS (
    UPDATE oauth_code a SET redeemed_at = now()
    FROM oauth_grant c
    WHERE a.code_hash = $1 AND a.redeemed_at IS NULL AND c.id = a.grant_id AND c.state = 'granted'
    RETURNING a.code_hash, a.grant_id, c.client_id, array_to_string(c.scopes, ' ') AS scope
), access AS (
    INSERT INTO oauth_access_token (signature, grant_id, client_id, scope, expires_at, lifetime)
    SELECT $2, grant_id, client_id, scope, now() + interval '30 days', interval '30 days' FROM code
    RETURNING signature
), refresh AS (
    INSERT INTO oauth_refresh_token (signature, grant_id, family_id)
    SELECT $3, grant_id, grant_id FROM code
    RETURNING signature
)
SELECT 'ended' AS effect, 'authorization code' AS kind, code_hash AS key FROM code
UNION ALL SELECT 'wrote', 'access token', signature FROM access
UNION ALL SELECT 'wrote', 'refresh token', signature FROM refresh

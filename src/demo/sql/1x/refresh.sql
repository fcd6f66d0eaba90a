-- $1 text: refresh token, $2 text: new access token, $3 text: new refresh token; one row per row changed: effect, kind, key
WITH spent AS (
    UPDATE refresh_token r SET status = 'used', status_changed_at = now()
    FROM consent c
    WHERE r.signature = $1 AND r.status = 'unused' AND c.id = r.consent_id AND c.revoked_at IS NULL
    RETURNING r.signature, r.consent_id, c.client_id, c.scope
), access AS (
    INSERT INTO access_token (signature, consent_id, client_id, scope, expires_at)
    SELECT $2, consent_id, client_id, scope, now() + interval '30 days' FROM spent
    RETURNING signature
), refresh AS (
    INSERT INTO refresh_token (signature, consent_id) SELECT $3, consent_id FROM spent RETURNING signature
)
SELECT 'ended' AS effect, 'refresh token' AS kind, signature AS key FROM spent
UNION ALL SELECT 'wrote', 'access token', signature FROM access
UNION ALL SELECT 'wrote', 'refresh token', signature FROM refresh

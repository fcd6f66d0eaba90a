-- $1 text: code, $2 text: new access token, $3 text: new refresh token; one row per row changed: effect, kind, key
WITH code AS (
    UPDATE authorization_code a SET used = true
    FROM consent c
    WHERE a.code_hash = $1 AND NOT a.used AND c.id = a.consent_id AND c.revoked_at IS NULL
    RETURNING a.code_hash, a.consent_id, c.client_id, c.scope
), access AS (
    INSERT INTO access_token (signature, consent_id, client_id, scope, expires_at)
    SELECT $2, consent_id, client_id, scope, now() + interval '30 days' FROM code
    RETURNING signature
), refresh AS (
    INSERT INTO refresh_token (signature, consent_id) SELECT $3, consent_id FROM code RETURNING signature
)
SELECT 'ended' AS effect, 'authorization code' AS kind, code_hash AS key FROM code
UNION ALL SELECT 'wrote', 'access token', signature FROM access
UNION ALL SELECT 'wrote', 'refresh token', signature FROM refresh

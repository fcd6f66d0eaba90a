-- $1 text: consent; one row per row changed: effect, kind, key
WITH withdrawn AS (
    UPDATE consent SET revoked_at = now() WHERE id = $1::text::bigint AND revoked_at IS NULL RETURNING id
), access AS (
    UPDATE access_token t SET active = false
    FROM withdrawn w WHERE t.consent_id = w.id AND t.active
    RETURNING t.signature
), refresh AS (
    UPDATE refresh_token t SET status = 'revoked', status_changed_at = now()
    FROM withdrawn w WHERE t.consent_id = w.id AND t.status = 'unused'
    RETURNING t.signature
)
SELECT 'ended' AS effect, 'consent' AS kind, id::text AS key FROM withdrawn
UNION ALL SELECT 'ended', 'access token', signature FROM access
UNION ALL SELECT 'ended', 'refresh token', signature FROM refresh

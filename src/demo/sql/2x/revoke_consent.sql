-- $1 text: consent; one row per row changed: effect, kind, key
WITH withdrawn AS (
    UPDATE oauth_grant SET state = 'withdrawn', withdrawn_at = now()
    WHERE id = $1::text::bigint AND state = 'granted'
    RETURNING id
), access AS (
    UPDATE oauth_access_token t SET state = 'revoked', revoked_at = now()
    FROM withdrawn w WHERE t.grant_id = w.id AND t.state = 'active'
    RETURNING t.signature
), refresh AS (
    UPDATE oauth_refresh_token t SET spent_at = now()
    FROM withdrawn w WHERE t.grant_id = w.id AND t.spent_at IS NULL
    RETURNING t.signature
)
SELECT 'ended' AS effect, 'consent' AS kind, id::text AS key FROM withdrawn
UNION ALL SELECT 'ended', 'access token', signature FROM access
UNION ALL SELECT 'ended', 'refresh token', signature FROM refresh

-- $1 text: session; one row per row deleted, cascades included: effect (removed: it had ended before), kind, key
WITH session AS (
    DELETE FROM user_session WHERE id = $1::text::uuid RETURNING id
), consented AS (
    SELECT c.id, c.state FROM session s JOIN oauth_grant c ON c.session_id = s.id
)
SELECT 'ended' AS effect, 'login session' AS kind, id::text AS key FROM session
UNION ALL
SELECT CASE WHEN state = 'granted' THEN 'ended' ELSE 'removed' END, 'consent', id::text FROM consented
UNION ALL
SELECT CASE WHEN t.state = 'active' THEN 'ended' ELSE 'removed' END, 'access token', t.signature
FROM consented c JOIN oauth_access_token t ON t.grant_id = c.id
UNION ALL
SELECT CASE WHEN t.spent_at IS NULL THEN 'ended' ELSE 'removed' END, 'refresh token', t.signature
FROM consented c JOIN oauth_refresh_token t ON t.grant_id = c.id
UNION ALL
SELECT CASE WHEN a.redeemed_at IS NOT NULL THEN 'removed' ELSE 'ended' END, 'authorization code', a.code_hash
FROM consented c JOIN oauth_code a ON a.grant_id = c.id

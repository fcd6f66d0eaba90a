-- $1 text: session; one row per row deleted, cascades included: effect (removed: it had ended before), kind, key
WITH session AS (
    DELETE FROM login_session WHERE id = $1::text::uuid RETURNING id
), consented AS (
    SELECT c.id, c.revoked_at FROM session s JOIN consent c ON c.session_id = s.id
)
SELECT 'ended' AS effect, 'login session' AS kind, id::text AS key FROM session
UNION ALL
SELECT CASE WHEN revoked_at IS NULL THEN 'ended' ELSE 'removed' END, 'consent', id::text FROM consented
UNION ALL
SELECT CASE WHEN t.active THEN 'ended' ELSE 'removed' END, 'access token', t.signature
FROM consented c JOIN access_token t ON t.consent_id = c.id
UNION ALL
SELECT CASE WHEN t.status = 'unused' THEN 'ended' ELSE 'removed' END, 'refresh token', t.signature
FROM consented c JOIN refresh_token t ON t.consent_id = c.id
UNION ALL
SELECT CASE WHEN a.used THEN 'removed' ELSE 'ended' END, 'authorization code', a.code_hash
FROM consented c JOIN authorization_code a ON a.consent_id = c.id

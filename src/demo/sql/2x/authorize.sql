-- $1 text: client, $2 text: subject, $3 text: session, $4 text: code; one row per row written: effect, kind, key
WITH session AS (
    INSERT INTO user_session (id, subject, device_id)
    VALUES ($3::text::uuid, $2, (SELECT id FROM session_device WHERE user_agent = 'browser/1'))
    RETURNING id
), consented AS (
    INSERT INTO oauth_grant (session_id, client_id, scopes) SELECT id, $1, '{openid,offline}' FROM session RETURNING id
), code AS (
    INSERT INTO oauth_code (code_hash, grant_id, redirect_uri, expires_at)
    SELECT $4, id, 'https://' || $1 || '.example/callback', now() + interval '10 minutes' FROM consented
    RETURNING code_hash
)
SELECT 'wrote' AS effect, 'login session' AS kind, id::text AS key FROM session
UNION ALL SELECT 'wrote', 'consent', id::text FROM consented
UNION ALL SELECT 'wrote', 'authorization code', code_hash FROM code

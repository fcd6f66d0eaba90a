-- $1 text: client, $2 text: subject, $3 text: session, $4 text: code; one row per row written: effect, kind, key
WITH session AS (
    INSERT INTO login_session (id, subject, user_agent) VALUES ($3::text::uuid, $2, 'browser/1') RETURNING id
), consented AS (
    INSERT INTO consent (session_id, client_id, scope) SELECT id, $1, 'openid offline' FROM session RETURNING id
), code AS (
    INSERT INTO authorization_code (code_hash, consent_id, redirect_uri, expires_at)
    SELECT $4, id, 'https://' || $1 || '.example/callback', now() + interval '10 minutes' FROM consented
    RETURNING code_hash
)
SELECT 'wrote' AS effect, 'login session' AS kind, id::text AS key FROM session
UNION ALL SELECT 'wrote', 'consent', id::text FROM consented
UNION ALL SELECT 'wrote', 'authorization code', code_hash FROM code

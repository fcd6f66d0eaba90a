-- $1 text: access token; the row that says it is good, or none
SELECT 'read' AS effect, 'access token' AS kind, t.signature AS key
FROM oauth_access_token t
JOIN oauth_grant c ON c.id = t.grant_id
JOIN user_session s ON s.id = c.session_id
WHERE t.signature = $1 AND t.state = 'active' AND t.expires_at > now()

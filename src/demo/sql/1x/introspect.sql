-- $1 text: access token; the row that says it is good, or none
SELECT 'read' AS effect, 'access token' AS kind, t.signature AS key
FROM access_token t
JOIN consent c ON c.id = t.consent_id
JOIN login_session s ON s.id = c.session_id
WHERE t.signature = $1 AND t.active AND t.expires_at > now()

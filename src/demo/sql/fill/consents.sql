-- $1 bigint: sessions, $2 bigint: clients; two consents to different clients in each session, one in 20 revoked
INSERT INTO consent (session_id, client_id, scope, claims, granted_at, revoked_at)
SELECT s.id,
       'app-' || 1 + (n + k) % $2::bigint,
       'openid offline',
       jsonb_build_object('acr', k),
       s.authenticated_at + interval '1 minute',
       CASE WHEN (2 * n + k) % 20 = 0 THEN s.authenticated_at + interval '1 day' END
FROM generate_series(1, $1::bigint) AS n
JOIN login_session s ON s.id = md5('session ' || n)::uuid
CROSS JOIN generate_series(0, 1) AS k

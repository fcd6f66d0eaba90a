-- $1 bigint: sessions; logged in three to 25 days ago
INSERT INTO login_session (id, subject, user_agent, ip, remember, authenticated_at)
SELECT md5('session ' || n)::uuid,
       'user-' || n % (1 + $1::bigint / 2),
       'browser/' || n % 12,
       '10.0.0.0'::inet + n % 65536,
       n % 3 = 0,
       now() - interval '3 days' - interval '22 days' * (n % 1000 / 1000.0)
FROM generate_series(1, $1::bigint) AS n

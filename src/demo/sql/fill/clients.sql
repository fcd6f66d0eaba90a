-- $1 bigint: clients
INSERT INTO oauth_client (id, name, secret_hash, auth_method, redirect_uris, scope, metadata, created_at)
SELECT 'app-' || n,
       'Application ' || n,
       CASE WHEN n % 4 > 0 THEN encode(sha256(convert_to('secret ' || n, 'UTF8')), 'hex') END,
       CASE n % 4 WHEN 0 THEN 'none' WHEN 1 THEN 'client_secret_post' ELSE 'client_secret_basic' END,
       'https://app-' || n || '.example/callback https://app-' || n || '.example/silent',
       'openid offline',
       jsonb_build_object('owner', 'team ' || n % 7),
       now() - interval '2 years'
FROM generate_series(1, $1::bigint) AS n

-- no parameters; of one consent in three, one in four of them not redeemed yet
INSERT INTO authorization_code (code_hash, consent_id, redirect_uri, challenge, used, issued_at, expires_at)
SELECT encode(sha256(convert_to('code ' || c.id, 'UTF8')), 'hex'),
       c.id,
       'https://' || c.client_id || '.example/callback',
       md5('challenge ' || c.id),
       c.id % 12 > 0,
       c.granted_at,
       c.granted_at + interval '40 days'
FROM consent c
WHERE c.id % 3 = 0

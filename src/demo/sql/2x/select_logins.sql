-- $1 bigint: how many clients share the logins, $2 bigint: which of them asks, from 0, $3 bigint: at most so many;
-- one row per login: session, and the keys that are live under it
SELECT s.id::text AS session,
       ARRAY(SELECT c.id::text FROM oauth_grant c WHERE c.session_id = s.id AND c.state = 'granted') AS consents,
       ARRAY(SELECT t.signature FROM oauth_grant c JOIN oauth_access_token t ON t.grant_id = c.id
             WHERE c.session_id = s.id AND t.state = 'active') AS access_tokens,
       ARRAY(SELECT t.signature FROM oauth_grant c JOIN oauth_refresh_token t ON t.grant_id = c.id
             WHERE c.session_id = s.id AND t.spent_at IS NULL) AS refresh_tokens,
       ARRAY(SELECT a.code_hash FROM oauth_grant c JOIN oauth_code a ON a.grant_id = c.id
             WHERE c.session_id = s.id AND a.redeemed_at IS NULL) AS codes
FROM (SELECT id FROM user_session
      WHERE mod(hashtext(id::text)::bigint + 2147483648, $1::bigint) = $2::bigint
      LIMIT $3::bigint) s

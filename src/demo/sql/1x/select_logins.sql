-- $1 bigint: how many clients share the logins, $2 bigint: which of them asks, from 0, $3 bigint: at most so many;
-- one row per login: session, and the keys that are live under it
SELECT s.id::text AS session,
       ARRAY(SELECT c.id::text FROM consent c WHERE c.session_id = s.id AND c.revoked_at IS NULL) AS consents,
       ARRAY(SELECT t.signature FROM consent c JOIN access_token t ON t.consent_id = c.id
             WHERE c.session_id = s.id AND t.active) AS access_tokens,
       ARRAY(SELECT t.signature FROM consent c JOIN refresh_token t ON t.consent_id = c.id
             WHERE c.session_id = s.id AND t.status = 'unused') AS refresh_tokens,
       ARRAY(SELECT a.code_hash FROM consent c JOIN authorization_code a ON a.consent_id = c.id
             WHERE c.session_id = s.id AND NOT a.used) AS codes
FROM (SELECT id FROM login_session
      WHERE mod(hashtext(id::text)::bigint + 2147483648, $1::bigint) = $2::bigint
      LIMIT $3::bigint) s

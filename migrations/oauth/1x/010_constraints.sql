-- A challenge of PKCE proves one code, and nothing ends before it began.
ALTER TABLE authorization_code ADD CONSTRAINT authorization_code_challenge_once UNIQUE (challenge);
ALTER TABLE access_token ADD CONSTRAINT access_token_expires CHECK (expires_at > issued_at);

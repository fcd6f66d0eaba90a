-- What the engine always believed of its rows, and the database now knows.
ALTER TABLE oauth_access_token
    ADD CONSTRAINT oauth_access_token_client_fk FOREIGN KEY (client_id) REFERENCES oauth_client (id),
    ADD CONSTRAINT oauth_access_token_lifetime CHECK (lifetime > interval '0');
ALTER TABLE oauth_code ADD CONSTRAINT oauth_code_expires CHECK (expires_at > issued_at);
ALTER TABLE oauth_grant ADD CONSTRAINT oauth_grant_once UNIQUE (session_id, client_id);

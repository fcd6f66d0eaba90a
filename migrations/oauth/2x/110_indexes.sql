-- What 2x looks things up by.
CREATE INDEX oauth_access_token_expiry_idx ON oauth_access_token (expires_at) INCLUDE (client_id) WHERE state = 'active';
CREATE INDEX oauth_refresh_token_family_idx ON oauth_refresh_token (family_id) WHERE spent_at IS NULL;
CREATE INDEX user_session_last_seen_idx ON user_session (last_seen_at);
CREATE INDEX client_redirect_uri_uri_idx ON client_redirect_uri (lower(uri));

COMMENT ON TABLE oauth_refresh_token IS 'usable while spent_at is NULL';

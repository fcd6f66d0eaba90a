-- What the purge job of the latest 1x looks things up by.
CREATE INDEX refresh_token_expires_at_idx ON refresh_token (expires_at);
CREATE INDEX login_session_authenticated_at_idx ON login_session (authenticated_at);

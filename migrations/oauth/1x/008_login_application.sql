-- Through which application a person logged in; unknown for logins from before.
ALTER TABLE login_session ADD COLUMN client_id text REFERENCES oauth_client (id);

-- 2x speaks of sessions, grants and codes, and marks its tables as the OAuth engine's own.
ALTER TABLE login_session RENAME TO user_session;
ALTER TABLE consent RENAME TO oauth_grant;
ALTER TABLE authorization_code RENAME TO oauth_code;
ALTER TABLE access_token RENAME TO oauth_access_token;
ALTER TABLE refresh_token RENAME TO oauth_refresh_token;

ALTER TABLE oauth_code RENAME COLUMN consent_id TO grant_id;
ALTER TABLE oauth_access_token RENAME COLUMN consent_id TO grant_id;
ALTER TABLE oauth_refresh_token RENAME COLUMN consent_id TO grant_id;

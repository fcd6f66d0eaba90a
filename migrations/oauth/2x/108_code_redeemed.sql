-- When a code was redeemed, not only that it was.
ALTER TABLE oauth_code ADD COLUMN redeemed_at timestamptz;

UPDATE oauth_code SET redeemed_at = issued_at WHERE used;

ALTER TABLE oauth_code DROP COLUMN used;

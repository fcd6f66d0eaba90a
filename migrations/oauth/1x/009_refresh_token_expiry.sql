-- Refresh tokens end too, thirty days after they were issued.
ALTER TABLE refresh_token ADD COLUMN expires_at timestamptz;
ALTER TABLE refresh_token ALTER COLUMN expires_at SET DEFAULT now() + interval '30 days';

UPDATE refresh_token SET expires_at = issued_at + interval '30 days' WHERE expires_at IS NULL;

ALTER TABLE refresh_token ALTER COLUMN expires_at SET NOT NULL;

ALTER TABLE invoice ADD COLUMN state text NOT NULL DEFAULT 'open';
UPDATE invoice SET state = 'paid' WHERE paid_at IS NOT NULL;

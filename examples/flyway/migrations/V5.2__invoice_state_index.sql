CREATE INDEX CONCURRENTLY invoice_state ON invoice (state);

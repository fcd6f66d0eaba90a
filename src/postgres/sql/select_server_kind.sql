-- no parameters; what target_session_attrs asks about: reset_val is what sessions begin with, whatever this one has set
SELECT pg_catalog.pg_is_in_recovery() AS standby,
       (SELECT reset_val = 'on' FROM pg_catalog.pg_settings WHERE name = 'default_transaction_read_only') AS read_only

-- no parameters; what set_digest_settings.sql is about to change: search_path, lc_monetary, quote_all_identifiers
SELECT pg_catalog.current_setting('search_path'),
       pg_catalog.current_setting('lc_monetary'),
       pg_catalog.current_setting('quote_all_identifiers')

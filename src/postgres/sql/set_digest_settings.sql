-- $1 search_path text, $2 lc_monetary text, $3 quote_all_identifiers text; what the text of reg* and money depends on
SELECT pg_catalog.set_config('search_path', $1, false),
       pg_catalog.set_config('lc_monetary', $2, false),
       pg_catalog.set_config('quote_all_identifiers', $3, false)

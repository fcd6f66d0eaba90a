-- no parameters; how our session reaches this server: tls boolean, tls_version text, nearby boolean (a socket or loopback)
SELECT coalesce(s.ssl, false) AS tls, coalesce(s.version, '') AS tls_version,
       coalesce(pg_catalog.inet_server_addr() <<= '127.0.0.0/8'::inet
                OR pg_catalog.inet_server_addr() = '::1'::inet, true) AS nearby
FROM (SELECT) one
LEFT JOIN pg_catalog.pg_stat_ssl s ON s.pid = pg_catalog.pg_backend_pid()

-- no parameters; whether our session stays on the server's machine: nearby boolean (a socket or loopback)
SELECT coalesce(pg_catalog.inet_server_addr() <<= '127.0.0.0/8'::inet
                OR pg_catalog.inet_server_addr() = '::1'::inet, true) AS nearby

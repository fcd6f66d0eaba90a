-- no parameters; back to what role and database set: a migration means what it means in the application's own sessions
RESET DateStyle;
RESET IntervalStyle;
RESET TimeZone;
RESET extra_float_digits;
RESET bytea_output;
RESET standard_conforming_strings;
RESET default_transaction_isolation;
RESET default_transaction_deferrable;

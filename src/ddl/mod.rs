//! ddl (being written).

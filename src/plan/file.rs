//! The plan file as TOML has it (being written).

//! snapshot (being written).

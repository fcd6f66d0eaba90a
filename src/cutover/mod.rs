//! cutover (being written).

//! guard (being written).

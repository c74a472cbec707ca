//! What the suite that all stores pass (`tests/location`) cannot see.
#![allow(clippy::unwrap_used)]

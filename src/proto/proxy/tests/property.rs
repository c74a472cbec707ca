//! Whatever happens.

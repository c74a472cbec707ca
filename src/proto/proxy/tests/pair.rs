//! Two UAs and a proxy between them.

//! RFC 3261 §10.3: the registrar, step by step. A file for the first steps, one for what changes bindings, one for times.

mod bindings;
mod intervals;
mod request;

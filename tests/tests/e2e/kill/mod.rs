//! kill -9 at any moment: what was acknowledged is there, and nothing else.
//!
//! Writers pipeline all kinds of writes, each in a znode of its own ([`writer`]), and each with a model of what the
//! tree must hold ([`model`]). After each kill what was acknowledged must be there exactly; of what was under way, the
//! first part in the order in which it was sent, or nothing: a session's writes are applied in order, and a multi as a
//! whole.

pub(crate) mod model;
mod rounds;
mod sessions;
pub(crate) mod writer;

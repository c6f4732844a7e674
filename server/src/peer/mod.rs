//! Links between members: framed, checksummed, versioned.
//!
//! In: requests of a kind with a body, both opaque here; who this member is. Out: the answers of another member, and
//! the requests of others, handed to a [`Service`] in the order of their link. A link is made when it is first used,
//! and made again after it broke; what was on its way then fails, and whoever sent it knows whether to repeat it.
//!
//! A stranger, a member of another ensemble, or one whose release speaks no common version is refused in the first
//! frame, with a reason that both sides log ([`hello`]). Every frame has a length limit and a checksum ([`frame`]). With
//! TLS between the members nobody gets as far as that without a certificate ([`tls`]).
//!
//! Not here: what requests mean (`consensus` and the server).

mod complaints;
mod frame;
mod hello;
mod link;
mod listener;
mod stream;
#[cfg(test)]
mod tests;
mod tls;

pub use hello::{Identity, Local};
pub use link::{Link, LinkError, Target, is_refused, probe};
pub use listener::{Answer, Service, listen};
pub use tls::{Tls, TlsError};

//! What a command does: one operation, one file. Pure.
//!
//! In: commands, in log order, each with everything that members could see differently already fixed in it (time,
//! identities). Out: an outcome for the client and the changes that watchers hear of. Every check is made here, on
//! every member alike: existence, ACLs, versions, quotas, sequence numbers. So nothing below this module reads a
//! clock, a random number, the network, a local setting or the order of a hash map.
//! Not here: who gets the outcome (`publish`), how a command becomes durable (`consensus`).

mod check;
mod close_session;
mod command;
mod create;
mod delete;
mod digest;
mod execute;
mod force_new_ensemble;
mod members_changed;
mod meta;
mod multi;
mod outcome;
mod quota;
mod remove_expired;
mod rules;
mod session;
mod set_acl;
mod set_data;
mod state;

pub use command::{Batch, BatchWriter, Command, CommandError};
pub use create::creates_ephemeral;
pub use digest::DIGEST_VERSION;
pub use execute::{execute, paths_of};
pub use force_new_ensemble::{NewEnsemble, force_new_ensemble};
pub use members_changed::members_changed;
pub use meta::{Meta, MetaError};
pub use outcome::{Outcome, Reply};
pub use rules::{RULES_MAX, RULES_MIN, RulesError, SupportedRules};
pub use session::{Session, password_of};
pub use state::{Context, OpenError, State};

#[cfg(test)]
mod tests;

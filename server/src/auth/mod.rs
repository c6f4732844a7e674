//! Who a connection is, and what an ACL lets it do.
//!
//! In: ACL entries, the identities of a connection. Out: yes or no; normalised ACLs. Pure: `apply` uses it on every
//! member alike, so nothing here reads a clock, a setting or the network.
//! Not here: when a request is checked (`apply`, `connection`).

mod digest;
mod ip;
mod permission;

use std::net::IpAddr;
use std::sync::Arc;

use crate::config::DigestAlgorithm;

pub use digest::digest_id;
pub use permission::{allows, normalise, redact};

/// One identity of a connection, or one that an ACL names.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Identity {
    /// The scheme: `ip`, `digest`, `super`.
    pub scheme: String,
    /// The id within the scheme.
    pub id: String,
}

/// The identities of a connection, shared with the commands it sends.
pub type Identities = Arc<[Identity]>;

impl Identity {
    /// The identity that every connection has.
    #[must_use]
    pub fn ip(address: IpAddr) -> Self {
        Self {
            scheme: "ip".to_owned(),
            id: address.to_canonical().to_string(),
        }
    }

    /// The identity that may do everything.
    #[must_use]
    pub fn superuser() -> Self {
        Self {
            scheme: "super".to_owned(),
            id: String::new(),
        }
    }

    /// The name shown by `whoAmI`: what stands before the password of a digest.
    #[must_use]
    pub fn user(&self) -> &str {
        match self.scheme.as_str() {
            "digest" => self.id.split(':').next().unwrap_or_default(),
            _ => &self.id,
        }
    }
}

/// What this server accepts from `addauth`.
#[derive(Debug, Clone)]
pub struct Providers {
    /// How `user:password` becomes an id (`DigestAuthenticationProvider.digestAlg`).
    pub digest_algorithm: DigestAlgorithm,
    /// Is the `digest` scheme on (`DigestAuthenticationProvider.enabled`)?
    pub digest_enabled: bool,
    /// The digest id that makes a superuser (`DigestAuthenticationProvider.superDigest`).
    pub super_digest: Option<String>,
}

/// The scheme is unknown or refused what was given: error −115, then the connection is closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AuthFailed;

impl Providers {
    /// The identities that `addauth scheme auth` adds to a connection.
    ///
    /// # Errors
    /// [`AuthFailed`] for a scheme that takes no credentials here.
    pub fn authenticate(&self, scheme: &str, auth: &[u8]) -> Result<Vec<Identity>, AuthFailed> {
        match scheme {
            // The address is an identity since the connection was made: nothing to add.
            "ip" => Ok(Vec::new()),
            "digest" if self.digest_enabled => {
                let id = digest_id(self.digest_algorithm, auth);
                let mut added = Vec::with_capacity(2);
                if self.super_digest.as_deref() == Some(&id) {
                    added.push(Identity::superuser());
                }
                added.push(Identity {
                    scheme: "digest".to_owned(),
                    id,
                });
                Ok(added)
            }
            _ => Err(AuthFailed),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digest_adds_the_user_and_the_super_digest_the_superuser() {
        let id = digest_id(DigestAlgorithm::Sha1, b"super:secret");
        let providers = Providers {
            digest_algorithm: DigestAlgorithm::Sha1,
            digest_enabled: true,
            super_digest: Some(id.clone()),
        };
        let added = providers
            .authenticate("digest", b"super:secret")
            .expect("accepted");
        assert_eq!(
            added,
            [
                Identity::superuser(),
                Identity {
                    scheme: "digest".to_owned(),
                    id
                }
            ]
        );
        let added = providers
            .authenticate("digest", b"ann:pw")
            .expect("accepted");
        assert_eq!(added[0].user(), "ann");
        assert_eq!(providers.authenticate("world", b"anyone"), Err(AuthFailed));
        assert_eq!(providers.authenticate("kerberos", b""), Err(AuthFailed));
        assert_eq!(providers.authenticate("ip", b"10.0.0.1"), Ok(Vec::new()));
    }
}

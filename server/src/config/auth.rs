//! How clients prove who they are.

use super::error::ConfigError;
use super::settings::Settings;

/// The digest scheme's settings. Local: they decide which identities a connection gets, and those travel with its
/// commands.
#[derive(Clone, Debug)]
pub struct AuthSettings {
    /// `DigestAuthenticationProvider.superDigest`: the id (`user:` and a digest in base64) that may do everything.
    pub super_digest: Option<String>,
    /// `DigestAuthenticationProvider.digestAlg`: how `user:password` becomes an id.
    pub digest_algorithm: DigestAlgorithm,
}

/// A hash function for passwords.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DigestAlgorithm {
    /// SHA-1, ZooKeeper's default, which all ids in existing ACLs were made with.
    #[default]
    Sha1,
    /// SHA-256.
    Sha256,
    /// SHA-384.
    Sha384,
    /// SHA-512.
    Sha512,
}

impl AuthSettings {
    pub(super) fn read(settings: &Settings) -> Result<Self, ConfigError> {
        let super_digest = settings.parsed(
            "DigestAuthenticationProvider.superDigest",
            "user:digest, the digest being base64(sha1(\"user:password\"))",
            |id| {
                id.split_once(':')
                    .filter(|(user, digest)| !user.is_empty() && !digest.is_empty())
                    .map(|_| id.to_owned())
            },
        )?;
        let digest_algorithm = settings.parsed(
            "DigestAuthenticationProvider.digestAlg",
            "SHA1, SHA-256, SHA-384 or SHA-512",
            |name| match name.to_ascii_uppercase().as_str() {
                "SHA" | "SHA1" | "SHA-1" => Some(DigestAlgorithm::Sha1),
                "SHA256" | "SHA-256" => Some(DigestAlgorithm::Sha256),
                "SHA384" | "SHA-384" => Some(DigestAlgorithm::Sha384),
                "SHA512" | "SHA-512" => Some(DigestAlgorithm::Sha512),
                _ => None,
            },
        )?;
        Ok(Self {
            super_digest,
            digest_algorithm: digest_algorithm.unwrap_or_default(),
        })
    }
}

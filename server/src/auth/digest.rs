//! The `digest` scheme (`DigestAuthenticationProvider`).

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sha1::Sha1;
use sha2::{Digest, Sha256, Sha384, Sha512};

use crate::config::DigestAlgorithm;

/// The id of credentials `user:password`: the user, a colon, and base64 of a hash of the whole. Without a colon the
/// whole is the user.
#[must_use]
pub fn digest_id(algorithm: DigestAlgorithm, credentials: &[u8]) -> String {
    let user = credentials
        .split(|byte| *byte == b':')
        .next()
        .unwrap_or_default();
    let hash = match algorithm {
        DigestAlgorithm::Sha1 => STANDARD.encode(Sha1::digest(credentials)),
        DigestAlgorithm::Sha256 => STANDARD.encode(Sha256::digest(credentials)),
        DigestAlgorithm::Sha384 => STANDARD.encode(Sha384::digest(credentials)),
        DigestAlgorithm::Sha512 => STANDARD.encode(Sha512::digest(credentials)),
    };
    format!("{}:{hash}", String::from_utf8_lossy(user))
}

/// Is `id` well-formed in an ACL: exactly two parts around one colon?
pub(super) fn is_valid(id: &str) -> bool {
    // Java's split drops empty parts at the end, so a colon at the end leaves one part.
    let parts: Vec<&str> = id.split(':').collect();
    let kept = parts
        .iter()
        .rposition(|part| !part.is_empty())
        .map_or(0, |last| last + 1);
    kept == 2
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_whole_credentials_are_hashed() {
        // The example of ZooKeeper's programmer's guide.
        let id = digest_id(DigestAlgorithm::Sha1, b"super:admin");
        assert_eq!(id, "super:xQJmxLMiHGwaqBvst5y6rkB6HQs=");
        assert!(digest_id(DigestAlgorithm::Sha1, b"nocolon").starts_with("nocolon:"));
        let longer = digest_id(DigestAlgorithm::Sha256, b"super:admin");
        assert_eq!(longer.len(), "super:".len() + 44);
    }

    #[test]
    fn an_acl_id_has_two_parts() {
        assert!(is_valid("a:b") && is_valid(":b"));
        assert!(!is_valid("a") && !is_valid("a:") && !is_valid("a:b:c") && !is_valid(""));
    }
}

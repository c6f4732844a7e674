//! The `digest` scheme (`DigestAuthenticationProvider`).

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sha1::{Digest, Sha1};

/// The id of credentials `user:password`: the user, a colon, and base64 of SHA-1 of the whole. Without a colon the
/// whole is the user.
#[must_use]
pub fn digest_id(credentials: &[u8]) -> String {
    let user = credentials
        .split(|byte| *byte == b':')
        .next()
        .unwrap_or_default();
    format!(
        "{}:{}",
        String::from_utf8_lossy(user),
        STANDARD.encode(Sha1::digest(credentials))
    )
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
        assert_eq!(
            digest_id(b"super:admin"),
            "super:xQJmxLMiHGwaqBvst5y6rkB6HQs="
        );
        assert!(digest_id(b"nocolon").starts_with("nocolon:"));
    }

    #[test]
    fn an_acl_id_has_two_parts() {
        assert!(is_valid("a:b") && is_valid(":b"));
        assert!(!is_valid("a") && !is_valid("a:") && !is_valid("a:b:c") && !is_valid(""));
    }
}

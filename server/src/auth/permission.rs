//! Checking and normalising ACLs (`ZooKeeperServer.checkACL`, `PrepRequestProcessor.fixupACL`).

use std::collections::HashSet;
use std::sync::Arc;

use treekeeper_protocol::{Acl, ErrorCode, perms};

use super::{Identity, digest, ip};

/// May somebody with these identities do something that needs any of the permission bits `asked`?
///
/// `acl` None is the open ACL; so is an empty one. The superuser may do everything.
#[must_use]
pub fn allows(acl: Option<&[Acl]>, asked: i32, identities: &[Identity]) -> bool {
    let Some(acl) = acl.filter(|acl| !acl.is_empty()) else {
        return true;
    };
    if identities.iter().any(|identity| identity.scheme == "super") {
        return true;
    }
    acl.iter()
        .filter(|entry| entry.perms & asked != 0)
        .any(|entry| {
            (entry.scheme == "world" && entry.id == "anyone")
                || identities
                    .iter()
                    .any(|identity| identity.scheme == entry.scheme && matches(identity, &entry.id))
        })
}

fn matches(identity: &Identity, id: &str) -> bool {
    match identity.scheme.as_str() {
        "ip" => ip::matches(&identity.id, id),
        _ => identity.id == id,
    }
}

/// The ACL to store for one that a client gave; None is the open ACL.
///
/// Duplicates go, `auth` becomes an entry for each authenticated identity of the connection.
///
/// # Errors
/// [`ErrorCode::InvalidAcl`] for an empty list, an unknown scheme, a malformed id, or `auth` of nobody.
pub fn normalise(
    acl: Option<&[Acl]>,
    identities: &[Identity],
    digest_enabled: bool,
) -> Result<Option<Arc<[Acl]>>, ErrorCode> {
    let acl = acl
        .filter(|acl| !acl.is_empty())
        .ok_or(ErrorCode::InvalidAcl)?;
    let mut stored = Stored::default();
    for entry in acl {
        match entry.scheme.as_str() {
            "world" if entry.id == "anyone" => stored.add(entry.clone())?,
            "auth" => {
                let mut nobody = true;
                for identity in identities.iter().filter(|id| is_authenticated(id)) {
                    nobody = false;
                    let (scheme, id) = (&identity.scheme, &identity.id);
                    stored.add(Acl::new(entry.perms, scheme, id))?;
                }
                if nobody {
                    return Err(ErrorCode::InvalidAcl);
                }
            }
            "digest" if digest_enabled && digest::is_valid(&entry.id) => {
                stored.add(entry.clone())?;
            }
            "ip" if ip::is_valid(&entry.id) => stored.add(entry.clone())?,
            _ => return Err(ErrorCode::InvalidAcl),
        }
    }
    let acl = stored.entries;
    let open =
        matches!(acl.as_slice(), [only] if only.perms == perms::ALL && only.scheme == "world");
    Ok((!open).then(|| acl.into()))
}

/// Bytes of the entries of one ACL: more than any request holds, but for what `auth` may multiply.
const ACL_BYTES_MAX: usize = 4 << 20;

/// Entries without duplicates, in the order in which they came.
#[derive(Default)]
struct Stored {
    entries: Vec<Acl>,
    seen: HashSet<Acl>,
    bytes: usize,
}

impl Stored {
    fn add(&mut self, entry: Acl) -> Result<(), ErrorCode> {
        if !self.seen.insert(entry.clone()) {
            return Ok(());
        }
        self.bytes += entry.scheme.len() + entry.id.len();
        self.entries.push(entry);
        if self.bytes > ACL_BYTES_MAX {
            return Err(ErrorCode::InvalidAcl);
        }
        Ok(())
    }
}

/// Does the scheme prove who somebody is? An address does not, and `super` is a mark beside a digest.
fn is_authenticated(identity: &Identity) -> bool {
    identity.scheme == "digest"
}

/// The ACL as someone may see it who can read the znode but not administer it: without digests.
#[must_use]
pub fn redact(acl: &[Acl]) -> Vec<Acl> {
    let hide = |entry: &Acl| match entry.scheme.as_str() {
        "digest" => {
            let user = entry.id.split(':').next().unwrap_or_default();
            Acl {
                id: format!("{user}:x"),
                ..entry.clone()
            }
        }
        _ => entry.clone(),
    };
    acl.iter().map(hide).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(perms: i32, scheme: &str, id: &str) -> Acl {
        Acl {
            perms,
            scheme: scheme.to_owned(),
            id: id.to_owned(),
        }
    }

    fn identity(scheme: &str, id: &str) -> Identity {
        Identity {
            scheme: scheme.to_owned(),
            id: id.to_owned(),
        }
    }

    #[test]
    fn any_asked_bit_of_any_matching_entry_grants() {
        let acl = [
            entry(perms::READ, "world", "anyone"),
            entry(perms::WRITE, "digest", "ann:h"),
        ];
        let ann = [identity("ip", "127.0.0.1"), identity("digest", "ann:h")];
        assert!(allows(Some(&acl), perms::READ | perms::ADMIN, &[]));
        assert!(!allows(Some(&acl), perms::WRITE, &[]));
        assert!(allows(Some(&acl), perms::WRITE, &ann));
        assert!(!allows(Some(&acl), perms::ADMIN, &ann));
        assert!(allows(Some(&acl), perms::ADMIN, &[Identity::superuser()]));
        assert!(allows(None, perms::ADMIN, &[]) && allows(Some(&[]), perms::ADMIN, &[]));
    }

    #[test]
    fn normalising_follows_fixup_acl() {
        let ann = [
            identity("ip", "127.0.0.1"),
            Identity::superuser(),
            identity("digest", "ann:h"),
        ];
        let normal = |acl: &[Acl]| normalise(Some(acl), &ann, true);
        assert_eq!(normal(&[]), Err(ErrorCode::InvalidAcl));
        assert_eq!(normalise(None, &ann, true), Err(ErrorCode::InvalidAcl));
        assert_eq!(normal(&[entry(31, "world", "anyone")]), Ok(None));
        assert_eq!(
            normal(&[entry(1, "world", "someone")]),
            Err(ErrorCode::InvalidAcl)
        );
        assert_eq!(normal(&[entry(1, "sasl", "x")]), Err(ErrorCode::InvalidAcl));
        let twice = [
            entry(1, "ip", "::1"),
            entry(1, "ip", "::1"),
            entry(31, "auth", "ignored"),
        ];
        let stored = normal(&twice).expect("is valid").expect("is not open");
        assert_eq!(
            stored.as_ref(),
            [entry(1, "ip", "::1"), entry(31, "digest", "ann:h")]
        );
        let nobody = normalise(Some(&[entry(31, "auth", "")]), &ann[..2], true);
        assert_eq!(nobody, Err(ErrorCode::InvalidAcl));
        assert_eq!(
            normalise(Some(&[entry(1, "digest", "a:b")]), &ann, false),
            Err(ErrorCode::InvalidAcl)
        );
    }

    #[test]
    fn a_reader_sees_no_digest() {
        let seen = redact(&[entry(31, "digest", "ann:hash"), entry(1, "world", "anyone")]);
        assert_eq!(
            seen,
            [entry(31, "digest", "ann:x"), entry(1, "world", "anyone")]
        );
    }
}

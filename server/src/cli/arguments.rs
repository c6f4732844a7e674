//! Arguments that are more than a word.

use std::io::{self, Read};
use treekeeper_client::{Acl, perms};

/// The letters of permissions, in the order in which they are printed.
const LETTERS: [(char, i32); 5] = [
    ('c', perms::CREATE),
    ('d', perms::DELETE),
    ('r', perms::READ),
    ('w', perms::WRITE),
    ('a', perms::ADMIN),
];

/// `scheme:proof`; the proof may contain further colons.
pub(super) fn auth(text: &str) -> Result<(String, String), String> {
    match text.split_once(':') {
        Some((scheme, proof)) if !scheme.is_empty() => Ok((scheme.to_owned(), proof.to_owned())),
        _ => Err("expected SCHEME:PROOF, for example digest:user:password".to_owned()),
    }
}

/// `scheme:id:permissions`; the id may contain further colons.
pub(super) fn acl(text: &str) -> Result<Acl, String> {
    let parts = text
        .split_once(':')
        .and_then(|(scheme, rest)| Some((scheme, rest.rsplit_once(':')?)));
    let Some((scheme, (id, letters))) = parts else {
        return Err("expected SCHEME:ID:PERMISSIONS, for example world:anyone:cdrwa".to_owned());
    };
    let perms = letters.chars().try_fold(0, |perms, letter| {
        let known = LETTERS.iter().find(|(known, _)| *known == letter);
        known
            .map(|(_, perm)| perms | perm)
            .ok_or_else(|| format!("{letter:?} is none of the permissions cdrwa"))
    })?;
    Ok(Acl::new(perms, scheme, id))
}

/// The text that [`acl`] reads as this entry.
pub(super) fn acl_text(acl: &Acl) -> String {
    let letters: String = LETTERS
        .iter()
        .filter(|(_, perm)| acl.perms & perm != 0)
        .map(|(letter, _)| letter)
        .collect();
    format!("{}:{}:{letters}", acl.scheme, acl.id)
}

/// Data of a znode: the argument itself, or what stdin holds if it is `-`.
pub(super) fn data(argument: String) -> io::Result<Vec<u8>> {
    if argument != "-" {
        return Ok(argument.into_bytes());
    }
    let mut bytes = Vec::new();
    io::stdin().lock().read_to_end(&mut bytes)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_of_access_control_lists() {
        assert_eq!(
            acl("world:anyone:cdrwa"),
            Ok(Acl::new(31, "world", "anyone"))
        );
        assert_eq!(
            acl("digest:u:hash=:rw"),
            Ok(Acl::new(3, "digest", "u:hash="))
        );
        assert_eq!(acl("ip:::1/128:a"), Ok(Acl::new(16, "ip", "::1/128")));
        assert_eq!(acl("auth::"), Ok(Acl::new(0, "auth", "")));
        for wrong in ["", "world", "world:anyone", "world:anyone:x"] {
            assert!(acl(wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn entries_are_printed_as_they_are_read() {
        for text in [
            "world:anyone:cdrwa",
            "digest:u:hash=:rw",
            "auth::",
            "sasl:a@B:dr",
        ] {
            assert_eq!(acl_text(&acl(text).expect("valid")), text);
        }
    }

    #[test]
    fn identities() {
        assert_eq!(auth("digest:u:p:w"), Ok(("digest".into(), "u:p:w".into())));
        assert!(auth("digest").is_err());
        assert!(auth(":x").is_err());
    }
}

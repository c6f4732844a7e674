//! Keys of the store.
//!
//! | key | value |
//! |---|---|
//! | `m` | what was applied, counters, settings (one record, written with every flush) |
//! | `n` parent NUL name | a znode; children are contiguous, and NUL is illegal in a path, so nothing is escaped |
//! | `s` session id (8 bytes, big-endian) | a session |
//! | `e` session id, path | nothing: this session owns the ephemeral znode at path |
//! | `x` path | nothing: the znode at path is a container or has a time to live |
//! | `v` | format version of the store |
//!
//! Prefixes are never reused for another meaning.

/// A key of the store. Ordered as the store orders it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key(Box<[u8]>);

impl Key {
    /// The key of the znode at `path`.
    #[must_use]
    pub fn znode(path: &str) -> Self {
        let (parent, name) = split(path);
        let mut key = Vec::with_capacity(path.len() + 3);
        key.push(b'n');
        key.extend_from_slice(parent.as_bytes());
        key.push(0);
        key.extend_from_slice(name.as_bytes());
        Self(key.into_boxed_slice())
    }

    /// The key of a session's record.
    #[must_use]
    pub fn session(id: i64) -> Self {
        let mut key = Vec::with_capacity(9);
        key.push(b's');
        key.extend_from_slice(&id.to_be_bytes());
        Self(key.into_boxed_slice())
    }

    /// The key that says that a session owns the ephemeral znode at `path`.
    #[must_use]
    pub fn ephemeral(session: i64, path: &str) -> Self {
        let mut key = Vec::with_capacity(9 + path.len());
        key.push(b'e');
        key.extend_from_slice(&session.to_be_bytes());
        key.extend_from_slice(path.as_bytes());
        Self(key.into_boxed_slice())
    }

    /// The key that says that the znode at `path` is a container or has a time to live.
    #[must_use]
    pub fn expirable(path: &str) -> Self {
        let mut key = Vec::with_capacity(1 + path.len());
        key.push(b'x');
        key.extend_from_slice(path.as_bytes());
        Self(key.into_boxed_slice())
    }

    /// The one record of what was applied.
    #[must_use]
    pub fn meta() -> Self {
        Self(Box::from(*b"m"))
    }

    /// The format version.
    #[must_use]
    pub fn version() -> Self {
        Self(Box::from(*b"v"))
    }

    /// What every session's key starts with.
    #[must_use]
    pub fn sessions() -> Self {
        Self(Box::from(*b"s"))
    }

    /// What every key of an owned ephemeral starts with.
    #[must_use]
    pub fn ephemerals() -> Self {
        Self(Box::from(*b"e"))
    }

    /// What every key of a container or TTL znode starts with.
    #[must_use]
    pub fn expirables() -> Self {
        Self(Box::from(*b"x"))
    }

    /// Session and path of an owned ephemeral's key.
    #[must_use]
    pub fn ephemeral_parts(&self) -> Option<(i64, &str)> {
        let (id, path) = self.0.strip_prefix(b"e")?.split_first_chunk::<8>()?;
        Some((i64::from_be_bytes(*id), std::str::from_utf8(path).ok()?))
    }

    /// Path of a container's or TTL znode's key.
    #[must_use]
    pub fn expirable_path(&self) -> Option<&str> {
        std::str::from_utf8(self.0.strip_prefix(b"x")?).ok()
    }

    /// Session of a session's key.
    #[must_use]
    pub fn session_id(&self) -> Option<i64> {
        Some(i64::from_be_bytes(
            self.0.strip_prefix(b"s")?.try_into().ok()?,
        ))
    }

    /// What the keys of the children of `path` start with.
    #[must_use]
    pub fn children(path: &str) -> Self {
        let mut key = Vec::with_capacity(path.len() + 2);
        key.push(b'n');
        key.extend_from_slice(path.as_bytes());
        key.push(0);
        Self(key.into_boxed_slice())
    }

    /// What the keys of all descendants of `path` start with: one of these.
    #[must_use]
    pub fn descendants(path: &str) -> Vec<Self> {
        // Below "/" the two are the same.
        let children = (path != "/").then(|| Self::children(path));
        children
            .into_iter()
            .chain([Self::grandchildren(path)])
            .collect()
    }

    /// What the keys of all descendants of `path` but its children start with.
    #[must_use]
    pub fn grandchildren(path: &str) -> Self {
        let mut key = Vec::with_capacity(path.len() + 2);
        key.push(b'n');
        key.extend_from_slice(path.as_bytes());
        if path != "/" {
            key.push(b'/');
        }
        Self(key.into_boxed_slice())
    }

    /// The key as bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// A key read from the store.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Self {
        Self(bytes.into())
    }

    /// The path of the znode that has this key.
    #[must_use]
    pub fn path(&self) -> Option<String> {
        let (parent, name) = parts(&self.0)?;
        Some(match (parent, name) {
            ("", "") => "/".to_owned(),
            ("/", name) => format!("/{name}"),
            (parent, name) => format!("{parent}/{name}"),
        })
    }

    /// The last part of the path of the znode that has this key.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        parts(&self.0).map(|(_, name)| name)
    }
}

/// The parent and the name in a znode's key.
fn parts(key: &[u8]) -> Option<(&str, &str)> {
    let text = std::str::from_utf8(key).ok()?.strip_prefix('n')?;
    text.split_once('\0')
}

/// Parent and name of a path as the store keys them; the root's are both empty.
fn split(path: &str) -> (&str, &str) {
    match path.rfind('/') {
        Some(0) if path.len() == 1 => ("", ""),
        Some(0) => ("/", &path[1..]),
        // Not the child of "/" that has the same name: a client may ask for a path with an empty part.
        Some(1) if path.starts_with("//") => ("//", &path[2..]),
        Some(at) => (&path[..at], &path[at + 1..]),
        None => ("", path),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn path_survives_the_key() {
        for path in ["/", "/a", "/a/b", "/a/b c/d", "/zookeeper/quota"] {
            assert_eq!(Key::znode(path).path().as_deref(), Some(path));
        }
    }

    #[test]
    fn no_other_text_has_the_key_of_a_valid_path() {
        for path in ["//", "//a", "/a/", "/a//b", "a", "//a/b"] {
            for valid in ["/", "/a", "/a/b"] {
                assert_ne!(Key::znode(path), Key::znode(valid), "{path} and {valid}");
            }
        }
    }

    #[test]
    fn children_are_contiguous_and_grandchildren_apart() {
        let child = Key::znode("/a/b");
        assert!(child.as_bytes().starts_with(Key::children("/a").as_bytes()));
        let grandchild = Key::znode("/a/b/c");
        assert!(
            !grandchild
                .as_bytes()
                .starts_with(Key::children("/a").as_bytes())
        );
        assert!(
            grandchild
                .as_bytes()
                .starts_with(Key::grandchildren("/a").as_bytes())
        );
        let sibling = Key::znode("/ab/c");
        assert!(
            !sibling
                .as_bytes()
                .starts_with(Key::grandchildren("/a").as_bytes())
        );
        assert!(
            Key::znode("/a")
                .as_bytes()
                .starts_with(Key::children("/").as_bytes())
        );
        assert!(
            !Key::znode("/")
                .as_bytes()
                .starts_with(Key::children("/").as_bytes())
        );
    }
}

//! The part of the tree that a client sees as the whole.
//!
//! In: paths of callers, or of the server. Out: paths of the other side.

use treekeeper_protocol::path;

/// A path that stands in front of every path a client names; the server knows nothing of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Chroot {
    /// Empty for the root, so that it can be put in front as it is.
    prefix: String,
}

impl Chroot {
    /// A chroot at a valid path.
    pub(crate) fn new(path: &str) -> Self {
        Self {
            prefix: if path == path::ROOT {
                String::new()
            } else {
                path.to_owned()
            },
        }
    }

    /// The server's path of a caller's path.
    pub(crate) fn absolute(&self, path: &str) -> String {
        if path == path::ROOT && !self.prefix.is_empty() {
            self.prefix.clone()
        } else {
            format!("{}{path}", self.prefix)
        }
    }

    /// The server's form of a path to which a number will be appended, so that `/` stays a parent.
    pub(crate) fn sequence_prefix(&self, path: &str) -> String {
        format!("{}{path}", self.prefix)
    }

    /// The caller's path of a server's path, `None` if it is not below the chroot.
    pub(crate) fn relative<'a>(&self, path: &'a str) -> Option<&'a str> {
        match path.strip_prefix(self.prefix.as_str())? {
            "" => Some(path::ROOT),
            rest if rest.starts_with('/') => Some(rest),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_go_in_and_out() {
        let chroot = Chroot::new("/app");
        for (caller, server) in [("/", "/app"), ("/a", "/app/a"), ("/a/b", "/app/a/b")] {
            assert_eq!(chroot.absolute(caller), server);
            assert_eq!(chroot.relative(server), Some(caller));
        }
        assert_eq!(chroot.sequence_prefix("/"), "/app/");
        assert_eq!(chroot.relative("/apple"), None);
        assert_eq!(chroot.relative("/"), None);
    }

    #[test]
    fn the_root_changes_nothing() {
        let chroot = Chroot::new("/");
        for path in ["/", "/a", "/a/b"] {
            assert_eq!(chroot.absolute(path), path);
            assert_eq!(chroot.relative(path), Some(path));
        }
    }
}

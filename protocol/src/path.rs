//! Paths of znodes.
//!
//! In: any text. Out: whether it is a path that a znode may have, and the parts of such a path.
//! Not here: chroots, which are the client's own business.

/// The root of the tree.
pub const ROOT: &str = "/";
/// The subtree that servers keep for themselves.
pub const ZOOKEEPER: &str = "/zookeeper";
/// Where quotas are kept.
pub const QUOTA: &str = "/zookeeper/quota";
/// Where the members of the ensemble are told.
pub const CONFIG: &str = "/zookeeper/config";

/// Why a text is not the path of a znode.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PathError {
    /// It is empty.
    #[error("path is empty")]
    Empty,
    /// It does not begin with `/`.
    #[error("path does not begin with /")]
    NotAbsolute,
    /// It ends with `/` and is not the root.
    #[error("path ends with /")]
    TrailingSlash,
    /// Two `/` stand side by side.
    #[error("path has an empty component")]
    EmptyComponent,
    /// A component is `.` or `..`.
    #[error("path has a relative component")]
    RelativeComponent,
    /// It has a control character, a private-use character or one that needs two UTF-16 units.
    #[error("path has the forbidden character {0:?}")]
    ForbiddenCharacter(char),
}

/// Checks a path as a stock server does (`PathUtils.validatePath`).
///
/// # Errors
/// With the first rule that the path breaks.
pub fn validate(path: &str) -> Result<(), PathError> {
    if path.is_empty() {
        return Err(PathError::Empty);
    }
    if path == ROOT {
        return Ok(());
    }
    let Some(components) = path.strip_prefix('/') else {
        return Err(PathError::NotAbsolute);
    };
    if path.ends_with('/') {
        return Err(PathError::TrailingSlash);
    }
    for component in components.split('/') {
        match component {
            "" => return Err(PathError::EmptyComponent),
            "." | ".." => return Err(PathError::RelativeComponent),
            name => {
                if let Some(character) = name.chars().find(|&character| is_forbidden(character)) {
                    return Err(PathError::ForbiddenCharacter(character));
                }
            }
        }
    }
    Ok(())
}

/// Java checks UTF-16 units; U+D800 to U+F8FF covers surrogates, and with them every character above U+FFFF.
const fn is_forbidden(character: char) -> bool {
    matches!(
        character,
        '\u{0}'..='\u{1F}'
        | '\u{7F}'..='\u{9F}'
        | '\u{E000}'..='\u{F8FF}'
        | '\u{FFF0}'..='\u{FFFF}'
        | '\u{10000}'..
    )
}

/// The path up to the last `/`: the parent of a valid path, `None` for the root and for a text without `/`.
#[must_use]
pub fn parent(path: &str) -> Option<&str> {
    if path == ROOT {
        return None;
    }
    let (parent, _) = path.rsplit_once('/')?;
    Some(if parent.is_empty() { ROOT } else { parent })
}

/// The path after the last `/`: the name within the parent, "" for the root.
#[must_use]
pub fn name(path: &str) -> &str {
    path.rsplit_once('/').map_or(path, |(_, name)| name)
}

/// True for the znodes that always exist and cannot be deleted.
#[must_use]
pub fn is_special(path: &str) -> bool {
    matches!(path, ROOT | ZOOKEEPER | QUOTA | CONFIG)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn valid_paths() {
        for path in [
            "/",
            "/a",
            "/a/b",
            "/...",
            "/.a",
            "/a..",
            "/a b",
            "/\u{2028}",
            "/日本語",
            "/a/\u{D7FF}",
            "/\u{F900}",
        ] {
            assert_eq!(validate(path), Ok(()), "{path:?}");
        }
    }

    #[test]
    fn invalid_paths() {
        for (path, error) in [
            ("", PathError::Empty),
            ("a", PathError::NotAbsolute),
            ("a/", PathError::NotAbsolute),
            ("/a/", PathError::TrailingSlash),
            ("//", PathError::TrailingSlash),
            ("//a", PathError::EmptyComponent),
            ("/a//b", PathError::EmptyComponent),
            ("/.", PathError::RelativeComponent),
            ("/a/../b", PathError::RelativeComponent),
            ("/\0", PathError::ForbiddenCharacter('\0')),
            ("/a\u{1F}", PathError::ForbiddenCharacter('\u{1F}')),
            ("/a\u{7F}", PathError::ForbiddenCharacter('\u{7F}')),
            ("/a\u{9F}", PathError::ForbiddenCharacter('\u{9F}')),
            ("/a\u{E000}", PathError::ForbiddenCharacter('\u{E000}')),
            ("/a\u{FFFD}", PathError::ForbiddenCharacter('\u{FFFD}')),
            ("/a🌲", PathError::ForbiddenCharacter('🌲')),
        ] {
            assert_eq!(validate(path), Err(error), "{path:?}");
        }
    }

    #[test]
    fn parts_of_a_path() {
        assert_eq!((parent("/"), name("/")), (None, ""));
        assert_eq!((parent("/a"), name("/a")), (Some("/"), "a"));
        assert_eq!((parent("/a/b"), name("/a/b")), (Some("/a"), "b"));
        assert_eq!((parent("/a/"), name("/a/")), (Some("/a"), ""));
        assert_eq!((parent("a"), name("a")), (None, "a"));
    }

    #[test]
    fn special_paths() {
        assert!(is_special("/zookeeper/config"));
        assert!(!is_special("/zookeeper/other"));
    }

    proptest! {
        #[test]
        fn a_valid_path_is_its_parent_and_its_name(path in "(/[a-z.]{1,3}){1,4}") {
            prop_assume!(validate(&path).is_ok());
            let parent = parent(&path).expect("not the root");
            let joined = if parent == ROOT { format!("/{}", name(&path)) } else { format!("{parent}/{}", name(&path)) };
            prop_assert_eq!(joined, path.clone());
            prop_assert_eq!(validate(parent), Ok(()));
        }

        #[test]
        fn any_text_is_judged(path: String) {
            let _: Result<(), PathError> = validate(&path);
            prop_assert!(parent(&path).is_none_or(|parent| parent == ROOT || path.starts_with(parent)));
        }
    }
}

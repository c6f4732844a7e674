//! The version that monitoring scripts read.

/// The release of ZooKeeper whose behaviour this server has, then our own. Scripts take the text before the first
/// `-` or `,` for a dotted number and decide by it which features to ask for.
#[must_use]
pub fn full_version() -> String {
    format!(
        "3.9.5-treekeeper-{}, built on {}",
        env!("CARGO_PKG_VERSION"),
        BUILT_ON
    )
}

/// The date of the release, which its build sets; other builds do not know when they were made, since the same
/// sources give the same binary.
const BUILT_ON: &str = match option_env!("TREEKEEPER_BUILT_ON") {
    Some(date) => date,
    None => "an unrecorded date",
};

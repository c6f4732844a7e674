//! Everything below a znode.
//!
//! In: a path. Out: the paths below it. Each step asks for many lists at once, without waiting for one after
//! the other.

use super::error::CliError;
use futures::future::join_all;
use std::collections::VecDeque;
use treekeeper_client::{Client, Error, ErrorCode, Stat};

/// Requests that are on their way at the same time.
pub(super) const REQUESTS_AT_ONCE: usize = 256;

/// The path of a child.
fn child(parent: &str, name: &str) -> String {
    if parent == "/" {
        format!("/{name}")
    } else {
        format!("{parent}/{name}")
    }
}

/// All descendants of `path` with their stats, parents before their children. What others delete meanwhile is left
/// out.
pub(super) async fn descendants(
    client: &Client,
    path: &str,
) -> Result<Vec<(String, Stat)>, CliError> {
    let mut found = Vec::new();
    let mut unlisted = VecDeque::from([path.to_owned()]);
    while !unlisted.is_empty() {
        let round: Vec<_> = unlisted
            .drain(..unlisted.len().min(REQUESTS_AT_ONCE))
            .collect();
        let lists = join_all(round.iter().map(|path| client.get_children(path))).await;
        for (parent, list) in round.into_iter().zip(lists) {
            match list {
                Ok((names, stat)) => {
                    unlisted.extend(names.iter().map(|name| child(&parent, name)));
                    found.push((parent, stat));
                }
                Err(Error::Api(ErrorCode::NoNode)) if parent != path => {}
                Err(error) => return Err(CliError::at(&parent)(error)),
            }
        }
    }
    found.remove(0);
    Ok(found)
}

//! `setWatches` and `setWatches2`: a client that came back registers its watches again, and hears at once of what
//! happened while it was away (`DataTree.setWatches`).

use treekeeper_protocol::{EventType, SetWatchesRequest};

use super::read::Reader;
use super::read_path::{Fault, Loaded};
use crate::apply::State;
use crate::watch::{Kinds, Sink, missed_event};

/// What becomes of one watch.
enum Fate<'a> {
    Event(EventType, &'a str),
    Register(&'a str, Kinds),
}

/// Registers what has not happened yet, and queues an event for what has. Nobody's permission is checked for the
/// registration, only for the event.
pub(super) fn set_watches(
    reader: &Reader<'_>,
    state: &State,
    loaded: &mut Loaded,
    request: &SetWatchesRequest,
) -> Result<(), Fault> {
    let since = request.relative_zxid;
    let mut fates = Vec::new();
    // Everything is looked up before anything is done: a missing znode starts this from the beginning, and one round
    // finds all that are missing.
    let mut retry = false;
    let mut look_up = |path: &str| match loaded.znode(state, path) {
        Ok(znode) => Ok(znode),
        Err(Fault::Retry) => {
            retry = true;
            Ok(None)
        }
        Err(fault) => Err(fault),
    };
    for path in &request.data {
        let znode = look_up(path)?;
        let acl = znode.as_ref().and_then(|znode| znode.acl.clone());
        let fate = match znode {
            None => Fate::Event(EventType::NodeDeleted, path),
            Some(znode) if znode.mzxid > since => Fate::Event(EventType::NodeDataChanged, path),
            Some(_) => Fate::Register(path, Kinds::DATA),
        };
        fates.push((fate, acl));
    }
    for path in &request.exist {
        let znode = look_up(path)?;
        let acl = znode.as_ref().and_then(|znode| znode.acl.clone());
        let fate = match znode {
            None => Fate::Register(path, Kinds::DATA),
            Some(_) => Fate::Event(EventType::NodeCreated, path),
        };
        fates.push((fate, acl));
    }
    for path in &request.child {
        let znode = look_up(path)?;
        let acl = znode.as_ref().and_then(|znode| znode.acl.clone());
        let fate = match znode {
            None => Fate::Event(EventType::NodeDeleted, path),
            Some(znode) if znode.pzxid > since => Fate::Event(EventType::NodeChildrenChanged, path),
            Some(_) => Fate::Register(path, Kinds::CHILD),
        };
        fates.push((fate, acl));
    }
    if retry {
        return Err(Fault::Retry);
    }
    fates.extend(
        request
            .persistent
            .iter()
            .map(|path| (Fate::Register(path, Kinds::PERSISTENT), None)),
    );
    fates.extend(
        request
            .persistent_recursive
            .iter()
            .map(|path| (Fate::Register(path, Kinds::RECURSIVE), None)),
    );
    for (fate, acl) in fates {
        match fate {
            Fate::Event(event, path) => reader
                .connection
                .push_event(&missed_event(event, path), acl.as_deref()),
            Fate::Register(path, kinds) => reader.watch(path, kinds),
        }
    }
    Ok(())
}

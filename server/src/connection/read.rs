//! Requests that change no znode: answered on the connection's own task, when their turn comes.

use std::sync::Arc;

use bytes::{BufMut, Bytes, BytesMut};
use treekeeper_protocol::encode::{put_acls, put_opt_buffer, put_stat, put_string, put_strings};
use treekeeper_protocol::{
    Acl, AddWatchMode, AddWatchRequest, ErrorCode, MultiRequest, OpResult, ReadRequest, Request,
    WatchKind, WatchTypeRequest, perms,
};

use super::outbox::SHARED_BYTES_MIN;
use super::queue::Asked;
use super::read_path::{Fault, Loaded, read};
use super::{Connection, MULTI_READ_BYTES_MAX, WATCH_BYTES_MAX, set_watches};
use crate::apply::State;
use crate::auth::{self, Identities};
use crate::publish::Node;
use crate::tree::{ChildList, StoreError, Znode};
use crate::watch::{Kinds, Sink};

/// A body to be queued under the publish lock, or an error.
pub(super) type Answer = Result<Body, ErrorCode>;

/// The body of a reply.
pub(super) enum Body {
    /// None.
    Empty,
    /// Written in place.
    Small(BytesMut),
    /// A child list, perhaps with a Stat behind it.
    Children(Option<Arc<ChildList>>, Option<Arc<Znode>>),
    /// Data and Stat.
    Data(Arc<Znode>),
}

/// Answers the requests behind a write that was just applied, before anything else is: a read sees the session's
/// earlier writes and none of its later ones. For `publish`, which holds the lock.
///
/// # Errors
/// [`StoreError`] stops the process.
pub fn answer_behind(
    node: &Node,
    connection: &Arc<Connection>,
    state: &State,
) -> Result<(), StoreError> {
    loop {
        let next = connection.queue().next_ready();
        if let Some((asked, request)) = next {
            let reader = Reader {
                node,
                connection,
                identities: connection.identities(),
                session: connection.session().map_or(0, |session| session.id),
            };
            reader.answer_under_lock(state, &asked, &request)?;
        } else if !connection.queue().advance_refused(state.meta.zxid) {
            return Ok(());
        }
    }
}

/// What a read knows of who asks.
pub(super) struct Reader<'a> {
    pub(super) node: &'a Node,
    pub(super) connection: &'a Arc<Connection>,
    pub(super) identities: Identities,
    pub(super) session: i64,
}

impl Reader<'_> {
    /// Answers a request that nothing waits in front of, the connection's own task asking: looks up, registers watches
    /// and queues the reply in one hold of the publish lock.
    ///
    /// # Errors
    /// [`StoreError`] stops the process.
    pub(super) fn answer(&self, asked: &Asked, request: &Request) -> Result<(), StoreError> {
        read(self.node, |state, loaded| {
            self.attempt(state, loaded, asked, request, false)
        })
    }

    /// The same for the request at the front of the queue, if it is still there to be answered. It is taken under the
    /// publish lock: between a write and those behind it that are applied in one hold of the lock, only
    /// [`answer_behind`] may take what stands between them.
    ///
    /// # Errors
    /// [`StoreError`] stops the process.
    pub(super) fn answer_next(&self) -> Result<(), StoreError> {
        let mut taken = None;
        read(self.node, |state, loaded| {
            if taken.is_none() {
                taken = self.connection.queue().next_ready();
            }
            match &taken {
                Some((asked, request)) => self.attempt(state, loaded, asked, request, true),
                None => Ok(()),
            }
        })
    }

    /// The same for whoever holds the publish lock already.
    fn answer_under_lock(
        &self,
        state: &State,
        asked: &Asked,
        request: &Request,
    ) -> Result<(), StoreError> {
        match self.attempt(state, &mut Loaded::under_lock(), asked, request, true) {
            Ok(()) => Ok(()),
            Err(Fault::Store(error)) => Err(error),
            Err(Fault::Retry) => unreachable!("under the lock nothing is missing"),
        }
    }

    fn attempt(
        &self,
        state: &State,
        loaded: &mut Loaded,
        asked: &Asked,
        request: &Request,
        in_queue: bool,
    ) -> Result<(), Fault> {
        let answer = self.look_up(state, loaded, request)?;
        let zxid = match request {
            Request::Auth(_) | Request::Sasl(_) => 0,
            _ => state.meta.zxid,
        };
        let mut queue = self.connection.queue();
        let latency = match &answer {
            Ok(Body::Empty) => queue.reply(asked, zxid, 0, |_| {}),
            Ok(Body::Small(bytes)) => queue.reply(asked, zxid, 0, |out| out.put_slice(bytes)),
            Ok(Body::Data(znode)) => match &znode.data {
                Some(data) if data.len() >= SHARED_BYTES_MIN => {
                    let length = i32::try_from(data.len()).expect("data fit into a frame");
                    let length = |out: &mut BytesMut| out.put_i32(length);
                    let data = std::slice::from_ref(data);
                    queue.reply_with(asked, zxid, 0, length, data, &stat_bytes(znode))
                }
                _ => queue.reply(asked, zxid, 0, |out| put_data(out, znode)),
            },
            Ok(Body::Children(list, stat)) => {
                let count = list.as_deref().map_or(0, ChildList::wire_count);
                let count = |out: &mut BytesMut| out.put_i32(count);
                let names = list.as_deref().map_or(&[][..], ChildList::chunks);
                let stat = stat.as_deref().map(stat_bytes).unwrap_or_default();
                queue.reply_with(asked, zxid, 0, count, names, &stat)
            }
            Err(code) => queue.reply(asked, zxid, code.as_i32(), |_| {}),
        };
        if in_queue {
            queue.pop_running();
        }
        drop(queue);
        self.node.metrics.readlatency.record(latency);
        Ok(())
    }

    fn look_up(
        &self,
        state: &State,
        loaded: &mut Loaded,
        request: &Request,
    ) -> Result<Answer, Fault> {
        match request {
            Request::Exists(request) => self.exists(state, loaded, request),
            Request::GetData(request) => self.get_data(state, loaded, request),
            Request::GetChildren(request) => self.get_children(state, loaded, request, false),
            Request::GetChildren2(request) => self.get_children(state, loaded, request, true),
            Request::GetAcl(request) => self.get_acl(state, loaded, &request.path),
            Request::MultiRead(request) => self.multi_read(state, loaded, request),
            Request::GetAllChildrenNumber(request) => {
                self.get_all_children_number(state, loaded, &request.path)
            }
            Request::GetEphemerals(prefix) => Ok(Ok(self.get_ephemerals(state, prefix.as_deref()))),
            Request::SetWatches(request) => {
                set_watches::set_watches(self, state, loaded, request)?;
                Ok(Ok(Body::Empty))
            }
            Request::AddWatch(request) => Ok(self.add_watch(request)),
            Request::CheckWatches(request) => Ok(self.check_watches(request)),
            Request::RemoveWatches(request) => Ok(self.remove_watches(request)),
            Request::WhoAmI => Ok(Ok(self.who_am_i())),
            Request::Ping | Request::Auth(_) => Ok(Ok(Body::Empty)),
            // A server without SASL answers with no token (`ZooKeeperServer.processSasl`).
            Request::Sasl(_) => Ok(Ok(small(|out| put_opt_buffer(out, None)))),
            Request::Create(_)
            | Request::Delete(_)
            | Request::SetData(_)
            | Request::SetAcl(_)
            | Request::Sync(_)
            | Request::CheckVersion(_)
            | Request::Multi(_)
            | Request::Reconfig(_)
            | Request::CloseSession => unreachable!("{:?} is no read", request.op()),
        }
    }

    fn readable(
        &self,
        state: &State,
        loaded: &mut Loaded,
        path: &str,
        asked: i32,
    ) -> Result<Result<Arc<Znode>, ErrorCode>, Fault> {
        Ok(match loaded.znode(state, path)? {
            None => Err(ErrorCode::NoNode),
            Some(znode) if !state.allows(&znode, asked, &self.identities) => Err(ErrorCode::NoAuth),
            Some(znode) => Ok(znode),
        })
    }

    /// A watch on an absent znode waits for it; one that may not be read is not watched.
    fn exists(
        &self,
        state: &State,
        loaded: &mut Loaded,
        request: &ReadRequest,
    ) -> Result<Answer, Fault> {
        if request.path.contains('\0') {
            return Ok(Err(ErrorCode::BadArguments));
        }
        let found = self.readable(state, loaded, &request.path, perms::READ)?;
        if request.watch && !matches!(found, Err(ErrorCode::NoAuth)) {
            self.watch(&request.path, Kinds::DATA);
        }
        Ok(found.map(|znode| small(|out| put_stat(out, &znode.stat()))))
    }

    fn get_data(
        &self,
        state: &State,
        loaded: &mut Loaded,
        request: &ReadRequest,
    ) -> Result<Answer, Fault> {
        let found = self.readable(state, loaded, &request.path, perms::READ)?;
        if request.watch && found.is_ok() {
            self.watch(&request.path, Kinds::DATA);
        }
        Ok(found.map(Body::Data))
    }

    fn get_children(
        &self,
        state: &State,
        loaded: &mut Loaded,
        request: &ReadRequest,
        stat: bool,
    ) -> Result<Answer, Fault> {
        let znode = match self.readable(state, loaded, &request.path, perms::READ)? {
            Ok(znode) => znode,
            Err(code) => return Ok(Err(code)),
        };
        let list = if znode.num_children > 0 {
            Some(loaded.children(state, &request.path)?)
        } else {
            None
        };
        if request.watch {
            self.watch(&request.path, Kinds::CHILD);
        }
        Ok(Ok(Body::Children(list, stat.then_some(znode))))
    }

    /// READ or ADMIN is enough to see it; without ADMIN digests are hidden.
    fn get_acl(&self, state: &State, loaded: &mut Loaded, path: &str) -> Result<Answer, Fault> {
        let found = self.readable(state, loaded, path, perms::READ | perms::ADMIN)?;
        Ok(found.map(|znode| {
            let open = Acl::world_anyone_all();
            let acl = znode.acl.as_deref().unwrap_or(&open);
            let seen = if state.allows(&znode, perms::ADMIN, &self.identities) {
                acl.to_vec()
            } else {
                auth::redact(acl)
            };
            small(|out| {
                put_acls(out, Some(&seen));
                put_stat(out, &znode.stat());
            })
        }))
    }

    /// Each part succeeds or fails by itself.
    fn multi_read(
        &self,
        state: &State,
        loaded: &mut Loaded,
        request: &MultiRequest,
    ) -> Result<Answer, Fault> {
        let mut results = Vec::with_capacity(request.ops.len());
        let mut bytes = 0;
        let mut retry = false;
        for op in &request.ops {
            match self.read_part(state, loaded, op) {
                Ok(result) => {
                    bytes += result_bytes(&result);
                    results.push(result);
                }
                // One round finds all that are missing.
                Err(Fault::Retry) => retry = true,
                Err(fault) => return Err(fault),
            }
            if bytes > MULTI_READ_BYTES_MAX {
                tracing::warn!(peer = %self.connection.peer(), "closed a connection: its multi read asks for too much");
                self.connection.close();
                return Ok(Err(ErrorCode::MarshallingError));
            }
        }
        if retry {
            return Err(Fault::Retry);
        }
        Ok(Ok(small(|out| OpResult::encode_results(&results, out))))
    }

    fn read_part(
        &self,
        state: &State,
        loaded: &mut Loaded,
        part: &Request,
    ) -> Result<OpResult, Fault> {
        let (Request::GetData(request) | Request::GetChildren(request)) = part else {
            unreachable!("a multi read holds reads only: it was decoded so");
        };
        let znode = match self.readable(state, loaded, &request.path, perms::READ)? {
            Ok(znode) => znode,
            Err(code) => return Ok(OpResult::Error(code)),
        };
        if matches!(part, Request::GetData(_)) {
            return Ok(OpResult::GetData {
                data: znode.data.clone(),
                stat: znode.stat(),
            });
        }
        if znode.num_children == 0 {
            return Ok(OpResult::GetChildren(Vec::new()));
        }
        let list = loaded.children(state, &request.path)?;
        Ok(OpResult::GetChildren(
            list.names().map(str::to_owned).collect(),
        ))
    }

    fn get_all_children_number(
        &self,
        state: &State,
        loaded: &mut Loaded,
        path: &str,
    ) -> Result<Answer, Fault> {
        if let Err(code) = self.readable(state, loaded, path, perms::READ)? {
            return Ok(Err(code));
        }
        let total = loaded.descendants(state, path)?;
        let total = i32::try_from(total).unwrap_or(i32::MAX);
        Ok(Ok(small(|out| out.put_i32(total))))
    }

    fn get_ephemerals(&self, state: &State, prefix: Option<&str>) -> Body {
        let given = prefix.filter(|prefix| !matches!(prefix.trim(), "" | "/"));
        let prefix = given.unwrap_or("/");
        let owned = state
            .sessions
            .get(&self.session)
            .into_iter()
            .flat_map(|session| &session.ephemerals);
        let paths: Vec<&str> = owned
            .map(AsRef::as_ref)
            .filter(|path: &&str| path.starts_with(prefix))
            .collect();
        small(|out| put_strings(out, &paths))
    }

    fn add_watch(&self, request: &AddWatchRequest) -> Answer {
        let mode = AddWatchMode::from_i32(request.mode).ok_or(ErrorCode::MarshallingError)?;
        self.watch(&request.path, Kinds::added(mode));
        Ok(small(|out| out.put_i32(0)))
    }

    fn check_watches(&self, request: &WatchTypeRequest) -> Answer {
        let kind = WatchKind::from_i32(request.kind).ok_or(ErrorCode::MarshallingError)?;
        let watches = self.node.watches.lock();
        let held = watches.contains(self.connection.id(), &request.path, Kinds::named(kind));
        if held {
            Ok(Body::Empty)
        } else {
            Err(ErrorCode::NoWatcher)
        }
    }

    fn remove_watches(&self, request: &WatchTypeRequest) -> Answer {
        let kind = WatchKind::from_i32(request.kind).ok_or(ErrorCode::MarshallingError)?;
        let removed = self.node.watches.lock().remove(
            self.connection.id(),
            &request.path,
            Kinds::named(kind),
        );
        if removed {
            Ok(Body::Empty)
        } else {
            Err(ErrorCode::NoWatcher)
        }
    }

    fn who_am_i(&self) -> Body {
        small(|out| {
            out.put_i32(
                i32::try_from(self.identities.len()).expect("a connection has few identities"),
            );
            for identity in self.identities.iter() {
                put_string(out, &identity.scheme);
                put_string(out, identity.user());
            }
        })
    }

    /// Registers a watch of this connection.
    pub(super) fn watch(&self, path: &str, kinds: Kinds) {
        let sink: Arc<dyn Sink> = Arc::clone(self.connection) as Arc<dyn Sink>;
        let mut watches = self.node.watches.lock();
        let bytes = watches.add(self.connection.id(), &sink, path, kinds);
        if bytes > WATCH_BYTES_MAX {
            tracing::warn!(peer = %self.connection.peer(), "closed a connection: it watches too much");
            self.connection.close();
        }
    }
}

fn result_bytes(result: &OpResult) -> usize {
    match result {
        OpResult::GetData { data, .. } => data.as_ref().map_or(0, Bytes::len) + 80,
        OpResult::GetChildren(names) => names.iter().map(|name| name.len() + 24).sum(),
        _ => 16,
    }
}

fn small(write: impl FnOnce(&mut BytesMut)) -> Body {
    let mut out = BytesMut::with_capacity(128);
    write(&mut out);
    Body::Small(out)
}

fn put_data(out: &mut BytesMut, znode: &Znode) {
    put_opt_buffer(out, znode.data.as_deref());
    put_stat(out, &znode.stat());
}

fn stat_bytes(znode: &Znode) -> BytesMut {
    let mut out = BytesMut::with_capacity(68);
    put_stat(&mut out, &znode.stat());
    out
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::time::Instant;

    use treekeeper_protocol::OpCode;

    use super::*;
    use crate::apply::{Outcome, Reply};
    use crate::connection::queue::Slot;
    use crate::watch::ConnectionId;

    const WRITES: i64 = 20_000;

    fn asked(op: OpCode) -> Asked {
        Asked {
            xid: 1,
            op,
            received: Instant::now(),
            bytes: 10,
        }
    }

    #[test]
    fn a_read_between_two_writes_is_not_left_to_the_task() {
        let dir = tempfile::tempdir().unwrap();
        let node = crate::publish::tests::node(&dir);
        let peer = "127.0.0.1:1".parse().unwrap();
        let connection = Arc::new(Connection::new(ConnectionId(1), peer, false));
        let ended = AtomicBool::new(false);
        let exists = || {
            let (path, watch) = ("/".to_owned(), false);
            Request::Exists(ReadRequest { path, watch })
        };
        std::thread::scope(|scope| {
            // As the task does, whatever it was woken for.
            scope.spawn(|| {
                while !ended.load(Ordering::Relaxed) {
                    if connection.queue().has_ready() {
                        let reader = Reader {
                            node: &node,
                            connection: &connection,
                            identities: connection.identities(),
                            session: 0,
                        };
                        reader.answer_next().unwrap();
                    }
                }
            });
            for zxid in 1..=WRITES {
                let mut state = node.state.write();
                let turn = {
                    let mut queue = connection.queue();
                    let turn = queue.push(asked(OpCode::SetData), Slot::Waiting);
                    queue.push(asked(OpCode::Exists), Slot::Ready(exists()));
                    turn
                };
                state.meta.zxid = zxid;
                let result = Ok(Reply::Empty);
                connection.complete(turn, &Outcome { zxid, result });
                answer_behind(&node, &connection, &state).unwrap();
                if connection.queue().len() > 0 {
                    ended.store(true, Ordering::Relaxed);
                    panic!("the read behind write {zxid} was taken and not answered");
                }
            }
            ended.store(true, Ordering::Relaxed);
        });
    }
}

//! What a stock server would do, written down without regard for speed: every counter is counted anew, a multi works
//! on a copy.

use std::collections::BTreeMap;

use treekeeper_protocol::{
    Acl, CreateKind, CreateRequest, ErrorCode, EventType, OpResult, Request, Stat, path, perms,
};

use super::super::{Command, Outcome, Reply, Znode, ann_only, password_of, world};
use super::member::Entry;
use super::step::{HARD_BYTES, HARD_COUNT, LIMITS, PATHS, STATS};
use crate::tree::Owner;

/// What watchers hear: the event, its path, and the ACL that decides who does.
pub(super) type Told = (EventType, String, Option<Vec<Acl>>);

#[derive(Debug, Clone)]
pub(super) struct Reference {
    znodes: BTreeMap<String, Znode>,
    /// Open sessions and their generations.
    sessions: BTreeMap<i64, u32>,
    next_session: Option<i64>,
    enforce_quota: bool,
    changes: Vec<Told>,
    pub(super) zxid: i64,
    pub(super) time_ms: i64,
    pub(super) term: u64,
}

impl Default for Reference {
    fn default() -> Self {
        let mut znodes = BTreeMap::new();
        for path in ["/", "/zookeeper", "/zookeeper/quota", "/zookeeper/config"] {
            let znode = Znode {
                data: Some(bytes::Bytes::new()),
                ..Znode::born(0, 0, Owner::Persistent)
            };
            znodes.insert(path.to_owned(), znode);
        }
        let config = znodes.get_mut("/zookeeper/config").unwrap();
        config.aversion = -1;
        config.acl = Some(world(perms::READ).into());
        Self {
            znodes,
            sessions: BTreeMap::new(),
            next_session: None,
            enforce_quota: false,
            changes: Vec::new(),
            zxid: 0,
            time_ms: 0,
            term: 0,
        }
    }
}

/// Who asks.
#[derive(Clone, Copy)]
struct Client {
    session: i64,
    is_ann: bool,
}

impl Reference {
    pub(super) fn is_formed(&self) -> bool {
        self.next_session.is_some()
    }

    pub(super) fn sessions(&self) -> Vec<(i64, u32)> {
        self.sessions
            .iter()
            .map(|(id, generation)| (*id, *generation))
            .collect()
    }

    pub(super) fn children(&self, parent: &str) -> Vec<&str> {
        let below = |path: &&String| path::parent(path) == Some(parent);
        self.znodes
            .keys()
            .filter(below)
            .map(|path| path::name(path))
            .collect()
    }

    pub(super) fn absent(&self) -> impl Iterator<Item = &'static str> {
        PATHS
            .into_iter()
            .filter(|path| !self.znodes.contains_key(*path))
    }

    /// Znodes that no server keeps for itself.
    pub(super) fn ordinary_paths(&self) -> Vec<&str> {
        let ordinary = |path: &&str| *path != "/" && !path.starts_with("/zookeeper");
        self.znodes
            .keys()
            .map(String::as_str)
            .filter(ordinary)
            .collect()
    }

    pub(super) fn expirables(&self) -> Vec<&str> {
        let expires = |znode: &Znode| matches!(znode.owner, Owner::Container | Owner::Ttl(_));
        self.znodes
            .iter()
            .filter(|(_, znode)| expires(znode))
            .map(|(path, _)| path.as_str())
            .collect()
    }

    pub(super) fn quotas(&self) -> Vec<&'static str> {
        self.znodes
            .contains_key(LIMITS)
            .then_some("/a")
            .into_iter()
            .collect()
    }

    /// Every znode as it must be found: children counted, usage of the quota counted.
    pub(super) fn znodes(&self) -> BTreeMap<String, Znode> {
        let mut znodes = self.znodes.clone();
        for (path, znode) in &mut znodes {
            znode.num_children = i32::try_from(self.children(path).len()).unwrap();
        }
        if let Some(stats) = znodes.get_mut(STATS) {
            let (count, bytes) = self.usage();
            stats.data = Some(format!("count={count},bytes={bytes}").into());
        }
        znodes
    }

    fn stat(&self, path: &str) -> Stat {
        self.znodes()[path].stat()
    }

    /// Znodes and bytes at and below /a.
    fn usage(&self) -> (i64, i64) {
        let counted = self.znodes.iter().filter(|(path, _)| is_counted(path));
        counted.fold((0, 0), |(count, bytes), (_, znode)| {
            (count + 1, bytes + length(znode.data.as_deref()))
        })
    }

    pub(super) fn run(&mut self, entry: &Entry) -> (Option<Outcome>, Vec<Told>) {
        self.time_ms = self.time_ms.max(entry.time_ms);
        let outcome = self.outcome(entry);
        (outcome, std::mem::take(&mut self.changes))
    }

    fn outcome(&mut self, entry: &Entry) -> Option<Outcome> {
        let (zxid, result) = match &entry.command {
            Command::Form { .. } => {
                self.next_session = Some(1 << 56 | (self.time_ms & 0xff_ffff_ffff) << 16);
                return None;
            }
            Command::Settings(settings) => {
                self.enforce_quota = settings.enforce_quota;
                return None;
            }
            Command::RaiseRules { .. } | Command::ShowMembers => return None,
            Command::OpenSession { timeout_ms } => {
                let id = self.next_session?;
                self.next_session = Some(id + 1);
                self.sessions.insert(id, 0);
                (
                    self.next_zxid(entry.term),
                    Ok(session_reply(id, 0, *timeout_ms)),
                )
            }
            Command::ReopenSession {
                session,
                timeout_ms,
            } => {
                let result = match self.sessions.get_mut(session) {
                    None => Err(ErrorCode::SessionExpired),
                    Some(generation) => {
                        *generation += 1;
                        Ok(session_reply(*session, *generation, *timeout_ms))
                    }
                };
                (self.zxid, result)
            }
            Command::CloseSession {
                session,
                generation,
                term,
            } => {
                if *term != entry.term || self.sessions.get(session) != Some(generation) {
                    return None;
                }
                (self.next_zxid(entry.term), Ok(self.close(*session)))
            }
            Command::RemoveExpired { path, czxid, mzxid } => {
                let zxid = self.next_zxid(entry.term);
                if self.expirables().contains(&path.as_str()) && self.children(path).is_empty() {
                    let znode = &self.znodes[path];
                    if (znode.czxid, znode.mzxid) == (*czxid, *mzxid) {
                        self.remove(path);
                    }
                }
                (zxid, Ok(Reply::Empty))
            }
            Command::Client {
                session,
                generation,
                identities,
                request,
            } => {
                if self.sessions.get(session) != Some(generation) {
                    return None;
                }
                let zxid = self.next_zxid(entry.term);
                let client = Client {
                    session: *session,
                    is_ann: !identities.is_empty(),
                };
                (zxid, self.client(client, request))
            }
            Command::LocalClient {
                session,
                identities,
                request,
            } => {
                let zxid = self.next_zxid(entry.term);
                let client = Client {
                    session: *session,
                    is_ann: !identities.is_empty(),
                };
                (zxid, self.client(client, request))
            }
            Command::UpgradeSession {
                session,
                timeout_ms,
            } => {
                let zxid = self.next_zxid(entry.term);
                let (id, timeout_ms) = (*session, *timeout_ms);
                let result = match self.sessions.contains_key(&id) {
                    true => Err(ErrorCode::SessionExpired),
                    false => Ok(Reply::SessionUpgraded { id, timeout_ms }),
                };
                self.sessions.entry(id).or_insert(0);
                (zxid, result)
            }
        };
        Some(Outcome { zxid, result })
    }

    fn next_zxid(&mut self, term: u64) -> i64 {
        let (epoch, counter) = (self.zxid >> 32, self.zxid & 0xffff_ffff);
        self.zxid = if term > self.term {
            (epoch + 1) << 32 | 1
        } else {
            epoch << 32 | (counter + 1)
        };
        self.term = term;
        self.zxid
    }

    fn client(&mut self, client: Client, request: &Request) -> Result<Reply, ErrorCode> {
        match request {
            Request::CloseSession => Ok(self.close(client.session)),
            Request::Multi(multi) => {
                let mut copy = self.clone();
                let mut results = Vec::new();
                for op in &multi.ops {
                    match copy.op(client, op, true) {
                        Ok(result) => results.push(result),
                        Err(code) => {
                            let mut codes = vec![ErrorCode::Ok; results.len()];
                            codes.push(code);
                            codes.resize(multi.ops.len(), ErrorCode::RuntimeInconsistency);
                            return Ok(Reply::Multi(
                                codes.into_iter().map(OpResult::Error).collect(),
                            ));
                        }
                    }
                }
                *self = copy;
                Ok(Reply::Multi(results))
            }
            Request::CheckVersion(_) => Err(ErrorCode::Unimplemented),
            one => Ok(match self.op(client, one, false)? {
                OpResult::Create { path } => Reply::Created { path },
                OpResult::Create2 { path, stat } => Reply::CreatedWithStat { path, stat },
                OpResult::SetData(stat) => Reply::Stat(stat),
                _ => Reply::Empty,
            }),
        }
    }

    fn op(&mut self, client: Client, op: &Request, in_multi: bool) -> Result<OpResult, ErrorCode> {
        match op {
            Request::Create(request) => self.create(client, request, in_multi),
            Request::Delete(request) => {
                let path = request.path.as_str();
                if !path.contains('/') || path::is_special(path) {
                    return Err(ErrorCode::BadArguments);
                }
                self.permit(client, &parent_of(path), perms::DELETE)?;
                let version = self.znodes.get(path).ok_or(ErrorCode::NoNode)?.version;
                is_asked(request.version, version)?;
                if !self.children(path).is_empty() {
                    return Err(ErrorCode::NotEmpty);
                }
                self.remove(path);
                Ok(OpResult::Delete)
            }
            Request::SetData(request) => {
                let path = request.path.as_str();
                path::validate(path).map_err(|_| ErrorCode::BadArguments)?;
                self.permit(client, path, perms::WRITE)?;
                let old = self.znodes[path].clone();
                let more = length(request.data.as_deref()) - length(old.data.as_deref());
                self.quota(path, 0, more)?;
                is_asked(request.version, old.version)?;
                let acl = old.acl.clone();
                let new = Znode {
                    data: request.data.clone(),
                    version: old.version + 1,
                    mzxid: self.zxid,
                    mtime: self.time_ms,
                    ..old
                };
                self.znodes.insert(path.to_owned(), new);
                self.changes.push((
                    EventType::NodeDataChanged,
                    path.to_owned(),
                    acl.map(|acl| acl.to_vec()),
                ));
                Ok(OpResult::SetData(self.stat(path)))
            }
            Request::SetAcl(request) => {
                let path = request.path.as_str();
                path::validate(path).map_err(|_| ErrorCode::BadArguments)?;
                let acl = stored(client, request.acl.as_deref())?;
                self.permit(client, path, perms::ADMIN)?;
                let old = self.znodes[path].clone();
                is_asked(request.version, old.aversion)?;
                let new = Znode {
                    acl: acl.map(Into::into),
                    aversion: old.aversion + 1,
                    ..old
                };
                self.znodes.insert(path.to_owned(), new);
                Ok(OpResult::SetData(self.stat(path)))
            }
            Request::CheckVersion(request) => {
                let path = request.path.as_str();
                path::validate(path).map_err(|_| ErrorCode::BadArguments)?;
                self.permit(client, path, perms::READ)?;
                is_asked(request.version, self.znodes[path].version)?;
                Ok(OpResult::Check)
            }
            other => unreachable!("{other:?} is not in the histories"),
        }
    }

    fn create(
        &mut self,
        client: Client,
        request: &CreateRequest,
        in_multi: bool,
    ) -> Result<OpResult, ErrorCode> {
        let container = request.kind == CreateKind::Container
            || in_multi && request.kind == CreateKind::Create && request.flags == 4;
        let (owner, sequential) = match (request.kind, request.flags) {
            (CreateKind::Ttl, 5 | 6) if request.ttl > 0 => {
                (Owner::Ttl(request.ttl), request.flags == 6)
            }
            (CreateKind::Ttl, _) | (_, 5..) => return Err(ErrorCode::BadArguments),
            (_, flags) if container => (Owner::Container, matches!(flags, 2 | 3)),
            (_, 1 | 3) if !self.sessions.contains_key(&client.session) => {
                return Err(ErrorCode::EphemeralOnLocalSession);
            }
            (_, 1) => (Owner::Session(client.session), false),
            (_, 2) => (Owner::Persistent, true),
            (_, 3) => (Owner::Session(client.session), true),
            (_, _) => (Owner::Persistent, false),
        };
        if !request.path.contains('/') {
            return Err(ErrorCode::BadArguments);
        }
        let acl = stored(client, request.acl.as_deref())?;
        let parent_path = parent_of(&request.path);
        self.permit(client, &parent_path, perms::CREATE)?;
        let parent = &self.znodes[&parent_path];
        let suffix = if sequential {
            format!("{:010}", parent.child_creations)
        } else {
            String::new()
        };
        let path = format!("{}{suffix}", request.path);
        path::validate(&path).map_err(|_| ErrorCode::BadArguments)?;
        if self.znodes.contains_key(&path) {
            return Err(ErrorCode::NodeExists);
        }
        if matches!(parent.owner, Owner::Session(_)) {
            return Err(ErrorCode::NoChildrenForEphemerals);
        }
        self.quota(&path, 1, length(request.data.as_deref()))?;
        let znode = Znode {
            data: request.data.clone(),
            acl: acl.clone().map(Into::into),
            ..Znode::born(self.zxid, self.time_ms, owner)
        };
        self.znodes.insert(path.clone(), znode);
        let zxid = self.zxid;
        let parent = self.znodes.get_mut(&parent_path).unwrap();
        parent.child_creations += 1;
        parent.pzxid = zxid;
        let parent_acl = parent.acl.as_deref().map(<[Acl]>::to_vec);
        self.changes
            .push((EventType::NodeCreated, path.clone(), acl));
        self.changes
            .push((EventType::NodeChildrenChanged, parent_path, parent_acl));
        let mut stat = self.stat(&path);
        // The reply shows the data as it was given, also that of a stats node.
        stat.data_length = i32::try_from(length(request.data.as_deref())).unwrap();
        Ok(if request.kind == CreateKind::Create && !container {
            OpResult::Create { path }
        } else {
            OpResult::Create2 { path, stat }
        })
    }

    fn remove(&mut self, path: &str) {
        let znode = self.znodes.remove(path).unwrap();
        let parent_path = parent_of(path);
        let zxid = self.zxid;
        let parent = self.znodes.get_mut(&parent_path).unwrap();
        parent.pzxid = zxid;
        let parent_acl = parent.acl.as_deref().map(<[Acl]>::to_vec);
        self.changes.push((
            EventType::NodeDeleted,
            path.to_owned(),
            znode.acl.map(|acl| acl.to_vec()),
        ));
        self.changes
            .push((EventType::NodeChildrenChanged, parent_path, parent_acl));
    }

    fn close(&mut self, session: i64) -> Reply {
        let owned = |(path, znode): (&String, &Znode)| {
            (znode.owner == Owner::Session(session)).then(|| path.clone())
        };
        for path in self.znodes.iter().filter_map(owned).collect::<Vec<_>>() {
            self.remove(&path);
        }
        self.sessions.remove(&session);
        Reply::SessionClosed { id: session }
    }

    fn permit(&self, client: Client, path: &str, asked: i32) -> Result<(), ErrorCode> {
        let znode = self.znodes.get(path).ok_or(ErrorCode::NoNode)?;
        let grants =
            |entry: &Acl| entry.perms & asked != 0 && (entry.scheme == "world" || client.is_ann);
        match &znode.acl {
            Some(acl) if !acl.iter().any(grants) => Err(ErrorCode::NoAuth),
            _ => Ok(()),
        }
    }

    fn quota(&self, path: &str, count: i64, bytes: i64) -> Result<(), ErrorCode> {
        let (used_count, used_bytes) = self.usage();
        let exceeds = |used: i64, more: i64, limit: i64| more > 0 && used + more > limit;
        let exceeded =
            exceeds(used_count, count, HARD_COUNT) || exceeds(used_bytes, bytes, HARD_BYTES);
        if self.enforce_quota && is_counted(path) && self.znodes.contains_key(STATS) && exceeded {
            Err(ErrorCode::QuotaExceeded)
        } else {
            Ok(())
        }
    }
}

fn is_counted(path: &str) -> bool {
    path == "/a" || path.starts_with("/a/")
}

fn length(data: Option<&[u8]>) -> i64 {
    data.map_or(0, |data| i64::try_from(data.len()).unwrap())
}

fn parent_of(path: &str) -> String {
    match path.rsplit_once('/').unwrap().0 {
        "" => "/".to_owned(),
        parent => parent.to_owned(),
    }
}

fn is_asked(asked: i32, present: i32) -> Result<(), ErrorCode> {
    if asked == -1 || asked == present {
        Ok(())
    } else {
        Err(ErrorCode::BadVersion)
    }
}

fn stored(client: Client, acl: Option<&[Acl]>) -> Result<Option<Vec<Acl>>, ErrorCode> {
    let acl = acl.unwrap_or_default();
    if acl == Acl::world_anyone_all() {
        Ok(None)
    } else if acl == Acl::creator_all() && client.is_ann {
        Ok(Some(ann_only()))
    } else if acl.is_empty() || acl == Acl::creator_all() {
        Err(ErrorCode::InvalidAcl)
    } else {
        Ok(Some(acl.to_vec()))
    }
}

fn session_reply(id: i64, generation: u32, timeout_ms: i32) -> Reply {
    Reply::Session {
        id,
        generation,
        timeout_ms,
        password: password_of(&[9; 32], id),
    }
}

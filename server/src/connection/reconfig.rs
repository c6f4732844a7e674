//! A client's reconfig, on the member that took it (`PrepRequestProcessor`, `DataTree` of a stock server).
//!
//! Checked here: who may, the version, the form. The leader decides the rest, and the reply leaves when this member
//! has applied the change.

use std::collections::BTreeSet;
use std::sync::Arc;

use treekeeper_protocol::encode::{put_buffer, put_stat};
use treekeeper_protocol::{ErrorCode, ReconfigRequest, path, perms};

use super::Connection;
use super::queue::Turn;
use crate::consensus::{Reconfig, membership_index};
use crate::publish::Node;
use crate::tree::Znode;

/// Works on the request, and queues its reply.
pub(super) async fn reconfig(
    node: Arc<Node>,
    connection: Arc<Connection>,
    turn: Turn,
    request: ReconfigRequest,
) {
    let change = check(&node, &connection, &request);
    let result = match change {
        Ok(change) => {
            let consensus = node
                .consensus
                .get()
                .expect("who serves has joined the ensemble");
            let Some(result) = consensus.reconfigure(&change).await else {
                tracing::warn!("closed a connection whose reconfig has an unknown outcome");
                connection.close();
                return;
            };
            result
        }
        Err(code) => Err(code),
    };
    let (zxid, config) = {
        let state = node.state.read();
        (state.meta.zxid, state.tree.get(path::CONFIG))
    };
    match (result, config) {
        (Ok(()), Ok(Some(config))) => connection.complete_with(turn, zxid, 0, |out| {
            put_buffer(out, config.data.as_deref().unwrap_or_default());
            put_stat(out, &config.stat());
        }),
        (Ok(()), Ok(None) | Err(_)) => connection.close(),
        (Err(code), _) => connection.complete_with(turn, zxid, code.as_i32(), |_| {}),
    }
}

fn check(
    node: &Node,
    connection: &Connection,
    request: &ReconfigRequest,
) -> Result<Reconfig, ErrorCode> {
    let state = node.state.read();
    let config: Arc<Znode> = state
        .tree
        .get(path::CONFIG)
        .ok()
        .flatten()
        .ok_or(ErrorCode::SystemError)?;
    let only_at = (request.cur_config_id != -1).then(|| membership_index(&state.meta.consensus));
    if only_at.is_some() && request.cur_config_id != config.mzxid {
        return Err(ErrorCode::BadVersion);
    }
    if only_at.is_some() && state.hides_members() {
        // The version is not that of the members as they are now, and there is none yet that is.
        return Err(ErrorCode::ReconfigInProgress);
    }
    let change = parse(request)?;
    if !state.allows(&config, perms::WRITE, &connection.identities()) {
        return Err(ErrorCode::NoAuth);
    }
    Ok(Reconfig {
        only_at: only_at.flatten(),
        ..change
    })
}

fn parse(request: &ReconfigRequest) -> Result<Reconfig, ErrorCode> {
    let lines = |text: &str| -> Vec<String> {
        let lines = text.split([',', '\n']).map(str::trim);
        lines
            .filter(|line| !line.is_empty() && !line.starts_with("version="))
            .map(str::to_owned)
            .collect()
    };
    if let Some(members) = &request.new_members {
        let members = lines(members);
        if members.is_empty() {
            return Err(ErrorCode::BadArguments);
        }
        return Ok(Reconfig {
            members: Some(members),
            ..Reconfig::default()
        });
    }
    let leaving = lines(request.leaving.as_deref().unwrap_or_default());
    let leaving: Result<BTreeSet<u8>, _> = leaving.iter().map(|id| id.parse()).collect();
    Ok(Reconfig {
        joining: lines(request.joining.as_deref().unwrap_or_default()),
        leaving: leaving.map_err(|_| ErrorCode::BadArguments)?,
        ..Reconfig::default()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(joining: Option<&str>, leaving: Option<&str>, new: Option<&str>) -> ReconfigRequest {
        ReconfigRequest {
            joining: joining.map(str::to_owned),
            leaving: leaving.map(str::to_owned),
            new_members: new.map(str::to_owned),
            cur_config_id: -1,
        }
    }

    #[test]
    fn a_request_is_read_as_zookeeper_reads_it() {
        let change = parse(&request(
            Some("server.4=h:1:2;3, server.5=h:4:5;6"),
            Some("1,2"),
            None,
        ));
        let change = change.unwrap();
        assert_eq!(change.joining, ["server.4=h:1:2;3", "server.5=h:4:5;6"]);
        assert_eq!(change.leaving, BTreeSet::from([1, 2]));
        assert_eq!(
            parse(&request(Some(""), None, None)),
            Ok(Reconfig::default())
        );
        let whole = parse(&request(
            None,
            Some("1"),
            Some("server.1=h:1:2;3\nversion=100000000"),
        ));
        assert_eq!(whole.unwrap().members.unwrap(), ["server.1=h:1:2;3"]);
        for bad in [
            request(None, Some("x"), None),
            request(None, Some("256"), None),
            request(None, None, Some("")),
        ] {
            assert_eq!(parse(&bad), Err(ErrorCode::BadArguments));
        }
    }
}

//! The commands by name, and what each of them answers.

use super::answer::Answer;
use crate::admin::NOT_SERVING;
use crate::admin::date::epoch_millis;
use crate::admin::ensemble::{ELECTION_ALGORITHM, MemberSettings};
use crate::admin::environment::environment;
use crate::admin::gauges::{Number, millis, rounded};
use crate::admin::json::Json;
use crate::admin::monitor::{self, Value};
use crate::admin::operation;
use crate::admin::version::full_version;
use crate::admin::view::{
    ConnectionInfo, EnsembleInfo, FollowerInfo, ServerMode, View, sessions_by_path,
};
use crate::config::{Member, MemberRole, PeerAddress};
use axum::http::StatusCode;
use std::collections::BTreeMap;
use std::time::Duration;

type Arguments = BTreeMap<String, String>;
type Fields = Vec<(String, Json)>;

/// A command under its names, the first of which is the one it answers with.
struct Command {
    names: &'static [&'static str],
    /// Whether it answers although the server is not serving.
    always: bool,
    run: fn(&Arguments, &dyn View) -> Result<Fields, Failure>,
}

/// Why a command gave nothing.
enum Failure {
    /// The question makes no sense here; the status stays 200.
    Refused(String),
    /// The command is switched off.
    SwitchedOff,
}

const COMMANDS: &[Command] = &[
    serving(&["configuration", "conf", "config"], configuration),
    serving(&["connection_stat_reset", "crst"], connection_stat_reset),
    serving(&["connections", "cons"], connections),
    serving(&["dirs"], dirs),
    serving(&["dump"], dump),
    always(&["environment", "env", "envi"], |_, _| {
        Ok(texts(environment()))
    }),
    always(&["get_trace_mask", "gtmk"], |_, view| {
        Ok(fields([(
            "tracemask",
            Json::Whole(view.trace_mask().get()),
        )]))
    }),
    serving(&["hash"], hash),
    serving(&["initial_configuration", "icfg"], initial_configuration),
    serving(&["is_read_only", "isro"], |_, view| {
        Ok(fields([("read_only", read_only(view))]))
    }),
    serving(&["last_snapshot", "lsnp"], last_snapshot),
    serving(&["leader", "lead"], leader),
    always(&["monitor", "mntr"], monitor),
    serving(&["observer_connection_stat_reset", "orst"], |_, _| {
        Ok(Fields::new())
    }),
    serving(&["observers", "obsr"], observers),
    serving(&["restore", "rest"], |_, _| Err(Failure::SwitchedOff)),
    serving(&["ruok"], |_, _| Ok(Fields::new())),
    serving(&["server_stats", "srvr"], |_, view| Ok(server_stats(view))),
    always(&["set_trace_mask", "stmk"], set_trace_mask),
    serving(&["snapshot", "snap"], |_, _| Err(Failure::SwitchedOff)),
    serving(&["stat_reset", "srst"], stat_reset),
    serving(&["stats", "stat"], stats),
    always(&["system_properties", "sysp"], |_, _| {
        Ok(texts(environment()))
    }),
    serving(&["voting_view"], voting_view),
    serving(&["watch_summary", "wchs"], watch_summary),
    serving(&["watches", "wchc"], watches),
    serving(&["watches_by_path", "wchp"], watches_by_path),
    serving(&["zabstate"], zabstate),
];

type Run = fn(&Arguments, &dyn View) -> Result<Fields, Failure>;

const fn serving(names: &'static [&'static str], run: Run) -> Command {
    Command {
        names,
        always: false,
        run,
    }
}

const fn always(names: &'static [&'static str], run: Run) -> Command {
    Command {
        names,
        always: true,
        run,
    }
}

/// A page of links to all commands.
pub(super) fn list(url: &str) -> String {
    let link =
        |command: &Command| format!("<a href=\"{url}/{0}\">{0}</a>\n<br/>\n", command.names[0]);
    COMMANDS.iter().map(link).collect()
}

/// The answer of the command of any of its names.
pub(super) fn run(name: &str, arguments: &Arguments, view: &dyn View) -> Answer {
    let Some(command) = COMMANDS
        .iter()
        .find(|command| command.names.contains(&name))
    else {
        return Answer::failed(StatusCode::OK, name, format!("Unknown command: {name}"));
    };
    if !command.always && !view.is_serving() {
        return Answer::failed(StatusCode::OK, name, NOT_SERVING);
    }
    let primary = command.names[0];
    match (command.run)(arguments, view) {
        Ok(fields) => Answer::new(primary, fields),
        Err(Failure::Refused(why)) => Answer::failed(StatusCode::OK, primary, why),
        Err(Failure::SwitchedOff) => switched_off(primary),
    }
}

/// The answer to a POST, of which no command takes one.
pub(super) fn refuse_post(name: &str) -> Answer {
    match name {
        "restore" | "rest" => switched_off("restore"),
        _ => Answer::failed(
            StatusCode::METHOD_NOT_ALLOWED,
            name,
            "the command takes no POST",
        ),
    }
}

fn switched_off(command: &str) -> Answer {
    let why = format!(
        "the command {command} is switched off: treekeeper neither reads nor writes ZooKeeper's snapshots yet"
    );
    Answer::failed(StatusCode::SERVICE_UNAVAILABLE, command, why)
}

fn configuration(_: &Arguments, view: &dyn View) -> Result<Fields, Failure> {
    let config = view.config();
    let client = &config.client;
    let member = MemberSettings::of(view);
    let server_id = member.as_ref().map_or(0, |member| member.my_id);
    let mut settings = fields([
        ("client_port", Json::Whole(view.server().client_port.into())),
        (
            "data_dir",
            Json::text(config.storage.data_folder().display().to_string()),
        ),
        (
            "data_log_dir",
            Json::text(config.storage.data_log_folder().display().to_string()),
        ),
        ("tick_time", duration(config.tick_time)),
        (
            "max_client_cnxns",
            Json::Whole(client.max_client_cnxns.unwrap_or(0).into()),
        ),
        ("min_session_timeout", duration(client.min_session_timeout)),
        ("max_session_timeout", duration(client.max_session_timeout)),
        ("server_id", Json::Whole(server_id.into())),
        (
            "client_port_listen_backlog",
            Json::Whole(client.listen_backlog.map_or(-1, i64::from)),
        ),
    ]);
    settings.extend(member.iter().flat_map(member_settings));
    Ok(settings)
}

fn member_settings(member: &MemberSettings) -> Fields {
    let port = |port: fn(&PeerAddress) -> u16| {
        let first = member.me.addresses.first();
        Json::Whole(first.map_or(-1, |address| port(address).into()))
    };
    fields([
        ("init_limit", Json::Unsigned(member.init_limit)),
        ("sync_limit", Json::Unsigned(member.sync_limit)),
        ("election_alg", Json::Whole(ELECTION_ALGORITHM.into())),
        ("election_port", port(|address| address.election_port)),
        ("quorum_port", port(|address| address.quorum_port)),
        ("peer_type", Json::Whole(member.peer_type().into())),
        ("quorum_address", joined(&member.me, PeerAddress::quorum)),
        (
            "election_address",
            joined(&member.me, PeerAddress::election),
        ),
        ("membership", Json::text(member.membership.clone())),
    ])
}

/// The addresses of a member, one of two ports with each.
fn addresses(member: &Member, address: fn(&PeerAddress) -> String) -> Vec<String> {
    member.addresses.iter().map(address).collect()
}

fn joined(member: &Member, address: fn(&PeerAddress) -> String) -> Json {
    Json::Text(addresses(member, address).join("|"))
}

fn connection_stat_reset(_: &Arguments, view: &dyn View) -> Result<Fields, Failure> {
    view.reset_connection_stats();
    Ok(Fields::new())
}

fn connections(_: &Arguments, view: &dyn View) -> Result<Fields, Failure> {
    let list = view
        .connections()
        .iter()
        .map(|connection| Json::Object(connection_in_full(connection)))
        .collect();
    Ok(fields([
        ("connections", Json::List(list)),
        ("secure_connections", Json::List(Vec::new())),
    ]))
}

fn connection_in_brief(connection: &ConnectionInfo) -> Fields {
    fields([
        (
            "remote_socket_address",
            Json::text(connection.remote_text()),
        ),
        (
            "interest_ops",
            Json::Whole(connection.interest_ops().into()),
        ),
        (
            "outstanding_requests",
            Json::Unsigned(connection.outstanding_requests),
        ),
        (
            "packets_received",
            Json::Unsigned(connection.packets_received),
        ),
        ("packets_sent", Json::Unsigned(connection.packets_sent)),
    ])
}

fn connection_in_full(connection: &ConnectionInfo) -> Fields {
    let session = connection.session.as_ref();
    let whole = |number: Option<i64>| Json::Whole(number.unwrap_or(0));
    let time = |time: Option<Duration>| duration(time.unwrap_or_default());
    let operation = session.map_or(0, |session| session.last_operation);
    let rest = fields([
        ("session_id", whole(session.map(|session| session.id))),
        (
            "last_operation",
            Json::text(operation::short_name(operation)),
        ),
        (
            "established",
            Json::Whole(epoch_millis(connection.established)),
        ),
        (
            "session_timeout",
            time(session.map(|session| session.timeout)),
        ),
        (
            "last_cxid",
            Json::Whole(session.map_or(-1, |session| session.last_cxid)),
        ),
        (
            "last_zxid",
            Json::Whole(session.map_or(-1, |session| session.last_zxid)),
        ),
        (
            "last_response_time",
            whole(
                session
                    .and_then(|session| session.last_response)
                    .map(epoch_millis),
            ),
        ),
        (
            "last_latency",
            time(session.map(|session| session.latency_last)),
        ),
        (
            "min_latency",
            time(session.map(|session| session.latency_min)),
        ),
        (
            "avg_latency",
            time(session.map(|session| session.latency_average)),
        ),
        (
            "max_latency",
            time(session.map(|session| session.latency_max)),
        ),
    ]);
    connection_in_brief(connection)
        .into_iter()
        .chain(rest)
        .collect()
}

fn dirs(_: &Arguments, view: &dyn View) -> Result<Fields, Failure> {
    Ok(fields([
        ("datadir_size", Json::Unsigned(view.data_dir_size())),
        ("logdir_size", Json::Unsigned(view.log_dir_size())),
    ]))
}

fn dump(_: &Arguments, view: &dyn View) -> Result<Fields, Failure> {
    let sessions = view.sessions();
    let mut by_expiry: BTreeMap<i64, Vec<Json>> = BTreeMap::new();
    for session in &sessions {
        by_expiry
            .entry(epoch_millis(session.expires_at))
            .or_default()
            .push(Json::Whole(session.id));
    }
    let expiries = by_expiry
        .into_iter()
        .map(|(time, ids)| (time.to_string(), Json::List(ids)));
    let owners = sessions
        .iter()
        .filter(|session| !session.ephemerals.is_empty());
    let ephemerals =
        owners.map(|session| (session.id.to_string(), list_of_texts(&session.ephemerals)));
    Ok(fields([
        ("expiry_time_to_session_ids", Json::object(expiries)),
        ("session_id_to_ephemeral_paths", Json::object(ephemerals)),
    ]))
}

fn hash(_: &Arguments, view: &dyn View) -> Result<Fields, Failure> {
    let digests = view.digests().into_iter().map(|digest| {
        Json::object([
            ("zxid", Json::Whole(digest.zxid)),
            ("digest", Json::Unsigned(digest.digest)),
            ("digest_version", Json::Whole(digest.version.into())),
        ])
    });
    Ok(fields([("digests", Json::List(digests.collect()))]))
}

fn initial_configuration(_: &Arguments, view: &dyn View) -> Result<Fields, Failure> {
    Ok(fields([(
        "initial_configuration",
        Json::text(view.config().initial_configuration.clone()),
    )]))
}

fn last_snapshot(_: &Arguments, view: &dyn View) -> Result<Fields, Failure> {
    let snapshot = view.last_snapshot();
    let zxid = snapshot.map_or(-1, |snapshot| snapshot.zxid);
    let seconds = snapshot.map_or(-1, |snapshot| epoch_millis(snapshot.written) / 1000);
    Ok(fields([
        ("zxid", Json::text(format!("{zxid:x}"))),
        ("timestamp", Json::Whole(seconds)),
    ]))
}

fn leader(_: &Arguments, view: &dyn View) -> Result<Fields, Failure> {
    let Some(ensemble) = view.ensemble() else {
        return Err(Failure::Refused("server is not initialized".to_owned()));
    };
    let leader = ensemble.leader_id.and_then(|id| ensemble.member(id));
    let address = leader.and_then(|leader| leader.addresses.into_iter().next());
    Ok(fields([
        ("is_leader", is_leader(view)),
        (
            "leader_id",
            Json::Whole(ensemble.leader_id.map_or(-1, i64::from)),
        ),
        (
            "leader_ip",
            Json::Text(address.map(|address| address.host).unwrap_or_default()),
        ),
    ]))
}

fn is_leader(view: &dyn View) -> Json {
    Json::Bool(view.server().mode == ServerMode::Leader)
}

fn monitor(_: &Arguments, view: &dyn View) -> Result<Fields, Failure> {
    let json = |value| match value {
        Value::Text(text) => Json::Text(text),
        Value::Number(Number::Whole(number)) => Json::Whole(number),
        Value::Number(Number::Decimal(number)) => Json::Decimal(number),
    };
    Ok(monitor::monitor(view)
        .into_iter()
        .map(|(name, value)| (name, json(value)))
        .collect())
}

fn observers(_: &Arguments, view: &dyn View) -> Result<Fields, Failure> {
    let ensemble = view.ensemble();
    let observer = |observer: &FollowerInfo| {
        Json::object([
            ("remote_socket_address", Json::text(&observer.address)),
            ("sid", Json::Whole(observer.id.into())),
            ("queued_packets", Json::Unsigned(observer.lag)),
        ])
    };
    let synced = ensemble.as_ref().map_or(0, EnsembleInfo::synced_observers);
    let list = ensemble
        .iter()
        .flat_map(EnsembleInfo::observers)
        .map(observer)
        .collect();
    Ok(fields([
        ("synced_observers", Json::Unsigned(synced as u64)),
        ("observers", Json::List(list)),
    ]))
}

fn read_only(view: &dyn View) -> Json {
    Json::Bool(view.server().mode == ServerMode::ReadOnly)
}

fn server_stats(view: &dyn View) -> Fields {
    let server = view.server();
    let (metrics, latency) = (view.metrics(), view.metrics().request_latency());
    let traffic = metrics.traffic.totals();
    let size = |bytes: Option<u64>| bytes.map_or(Json::Whole(-1), Json::Unsigned);
    let responses = Json::object([
        ("last_buffer_size", size(traffic.response_last)),
        ("min_buffer_size", size(traffic.response_min)),
        ("max_buffer_size", size(traffic.response_max)),
    ]);
    let stats = Json::object([
        ("packets_sent", Json::Unsigned(traffic.packets_sent)),
        ("packets_received", Json::Unsigned(traffic.packets_received)),
        (
            "fsync_threshold_exceed_count",
            Json::Unsigned(metrics.fsync_threshold_exceed_count.get()),
        ),
        ("client_response_stats", responses.clone()),
        ("provider_null", Json::Bool(false)),
        ("data_dir_size", Json::Unsigned(view.data_dir_size())),
        ("log_dir_size", Json::Unsigned(view.log_dir_size())),
        ("last_processed_zxid", Json::Whole(server.last_zxid)),
        (
            "outstanding_requests",
            Json::Unsigned(server.outstanding_requests),
        ),
        ("server_state", Json::text(server.mode.as_str())),
        ("avg_latency", Json::Decimal(latency.average())),
        ("max_latency", Json::Whole(rounded(latency.max()))),
        ("min_latency", Json::Whole(rounded(latency.min()))),
        (
            "num_alive_client_connections",
            Json::Unsigned(server.connection_count as u64),
        ),
        ("uptime", duration(server.uptime)),
        (
            "auth_failed_count",
            Json::Unsigned(metrics.auth_failed_count.get()),
        ),
        ("non_mtlsremote_conn_count", Json::Whole(0)),
        ("non_mtlslocal_conn_count", Json::Whole(0)),
    ]);
    let mut all = fields([
        ("version", Json::text(full_version())),
        ("read_only", read_only(view)),
        ("server_stats", stats),
        ("client_response", responses),
    ]);
    if server.mode == ServerMode::Leader {
        // The sizes are ZooKeeper's proposals, which have no likeness here.
        let unknown = ["last_buffer_size", "min_buffer_size", "max_buffer_size"]
            .map(|name| (name, Json::Whole(-1)));
        all.push(("proposal_stats".to_owned(), Json::object(unknown)));
    }
    all.push(("node_count".to_owned(), Json::Unsigned(server.node_count)));
    all
}

fn set_trace_mask(arguments: &Arguments, view: &dyn View) -> Result<Fields, Failure> {
    const NEEDED: &str = "setTraceMask requires long traceMask argument";
    let given = arguments
        .get("traceMask")
        .ok_or_else(|| Failure::Refused(NEEDED.to_owned()))?;
    let mask = given
        .parse()
        .map_err(|_| Failure::Refused(format!("{NEEDED}, got {given}")))?;
    view.trace_mask().set(mask);
    Ok(fields([("tracemask", Json::Whole(mask))]))
}

fn stat_reset(_: &Arguments, view: &dyn View) -> Result<Fields, Failure> {
    view.reset_server_stats();
    Ok(Fields::new())
}

fn stats(_: &Arguments, view: &dyn View) -> Result<Fields, Failure> {
    let list = view
        .connections()
        .iter()
        .map(|connection| Json::Object(connection_in_brief(connection)))
        .collect();
    let connections = fields([
        ("connections", Json::List(list)),
        ("secure_connections", Json::List(Vec::new())),
    ]);
    Ok(server_stats(view).into_iter().chain(connections).collect())
}

fn voting_view(_: &Arguments, view: &dyn View) -> Result<Fields, Failure> {
    let members = view.ensemble().map(|ensemble| ensemble.members());
    let voters = members
        .unwrap_or_default()
        .into_values()
        .filter(|member| member.role == MemberRole::Participant);
    let shown = voters.map(|voter| {
        let addresses =
            |address: fn(&PeerAddress) -> String| list_of_texts(&addresses(&voter, address));
        let client = voter.client.as_ref().map(ToString::to_string);
        let server = Json::object([
            ("server_addresses", addresses(PeerAddress::quorum)),
            ("election_addresses", addresses(PeerAddress::election)),
            ("client_address", Json::Text(client.unwrap_or_default())),
            ("learner_type", Json::text(voter.role.as_str())),
        ]);
        (voter.id.to_string(), server)
    });
    Ok(fields([("current_config", Json::object(shown))]))
}

fn watch_summary(_: &Arguments, view: &dyn View) -> Result<Fields, Failure> {
    let summary = view.watch_summary();
    Ok(fields([
        ("num_connections", Json::Unsigned(summary.connections)),
        ("num_paths", Json::Unsigned(summary.paths)),
        ("num_total_watches", Json::Unsigned(summary.watches)),
    ]))
}

fn watches(_: &Arguments, view: &dyn View) -> Result<Fields, Failure> {
    let by_session = view.watches().into_iter().map(|watched| {
        (
            watched.session_id.to_string(),
            list_of_texts(&watched.paths),
        )
    });
    Ok(fields([(
        "session_id_to_watched_paths",
        Json::object(by_session),
    )]))
}

fn watches_by_path(_: &Arguments, view: &dyn View) -> Result<Fields, Failure> {
    let by_path = sessions_by_path(&view.watches())
        .into_iter()
        .map(|(path, ids)| (path, Json::List(ids.into_iter().map(Json::Whole).collect())));
    Ok(fields([("path_to_session_ids", Json::object(by_path))]))
}

fn zabstate(_: &Arguments, view: &dyn View) -> Result<Fields, Failure> {
    let (Some(ensemble), Some(member)) = (view.ensemble(), MemberSettings::of(view)) else {
        return Ok(fields([
            ("voting", Json::Bool(false)),
            ("zabstate", Json::text("")),
        ]));
    };
    let server = view.server();
    let client = match &member.me.client {
        Some(client) => client.to_string(),
        None => format!("0.0.0.0:{}", server.client_port),
    };
    let voting = member.me.role == MemberRole::Participant;
    Ok(fields([
        ("myid", Json::Whole(member.my_id.into())),
        ("is_leader", is_leader(view)),
        ("quorum_address", joined(&member.me, PeerAddress::quorum)),
        (
            "election_address",
            joined(&member.me, PeerAddress::election),
        ),
        ("client_address", Json::Text(client)),
        ("voting", Json::Bool(voting)),
        ("last_zxid", Json::Text(format!("0x{:x}", server.last_zxid))),
        ("zab_epoch", Json::Whole(server.last_zxid >> 32)),
        ("zab_counter", Json::Whole(server.last_zxid & 0xffff_ffff)),
        ("zabstate", Json::text(ensemble.zab_state())),
    ]))
}

fn fields<const N: usize>(fields: [(&str, Json); N]) -> Fields {
    fields
        .into_iter()
        .map(|(key, value)| (key.to_owned(), value))
        .collect()
}

fn texts(pairs: Vec<(&'static str, String)>) -> Fields {
    pairs
        .into_iter()
        .map(|(key, value)| (key.to_owned(), Json::Text(value)))
        .collect()
}

fn list_of_texts(texts: &[String]) -> Json {
    Json::List(texts.iter().map(Json::text).collect())
}

fn duration(duration: Duration) -> Json {
    Json::Whole(millis(duration))
}

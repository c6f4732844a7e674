//! Every key that ZooKeeper knows, and what becomes of it here.

use super::error::ConfigError;
use super::membership;
use super::notice::Notice;
use super::settings::{Setting, Settings};

/// What becomes of a key.
#[derive(Clone, Copy, Debug)]
enum Fate {
    /// It is followed.
    Honoured,
    /// It is reported; nothing is lost without it, for the reason given.
    NotUsed(&'static str),
    /// It is followed if there are several servers, else reported.
    InEnsemble,
    /// It is reported with the reason given, or, if there is but one server, with that.
    NotUsedInEnsemble(&'static str),
    /// The server does not start, unless the value asks for what happens anyway.
    Refused {
        harmless: &'static [&'static str],
        remedy: &'static str,
    },
}

use Fate::{Honoured, InEnsemble, NotUsed, NotUsedInEnsemble, Refused};

/// A key's name, or its beginning if it ends with `*`, and its fate.
type Rule = (&'static str, Fate);

/// Why nothing that concerns several servers is used where there is one.
const ALONE: &str = "this server is the only one of its ensemble";
const OWN_PEERS: Fate =
    NotUsedInEnsemble("the servers find, elect and follow their leader in a way of their own");
const OBSERVERS: Fate =
    NotUsedInEnsemble("an observer follows the leader as every other server does");
const CATCHING_UP: Fate = NotUsedInEnsemble(
    "how much log a server keeps for others that lag is for treekeeper.logRetention to say",
);
const OWN_STORAGE: Fate =
    NotUsed("log and tree have formats of their own, which need no such setting");
const OWN_PIPELINE: Fate = NotUsed("requests take another way through treekeeper");
const NO_JAVA: Fate = NotUsed("there is no Java virtual machine");
const NO_THROTTLE: Fate = NotUsed("requests are held back by globalOutstandingLimit alone");
const NO_ADMIN_SNAPSHOT: Fate = NotUsed("the commands snapshot and restore are switched off");
const NO_TLS: Fate = Refused {
    harmless: &["false"],
    remedy: "it speaks TLS between servers only; remove the key and put a TLS proxy before the port, or stay with ZooKeeper",
};
const NO_SUCH_PEER_TLS: Fate = Refused {
    harmless: &["false"],
    remedy: "it cannot restrict the TLS between servers in that way; remove the key if they may do without",
};
const NO_STORE_PASSWORD: Fate =
    NotUsedInEnsemble("keys and certificates are in PEM files without a password");
const NO_SASL: Fate = Refused {
    harmless: &["false"],
    remedy: "it does not speak SASL yet; remove the key if clients may do without, or stay with ZooKeeper",
};
const NO_ENFORCED_AUTH: Fate = Refused {
    harmless: &["false"],
    remedy: "it does not force clients to authenticate yet; remove the key if clients may do without, or stay with \
             ZooKeeper",
};
const NO_HIERARCHY: Fate = Refused {
    harmless: &[],
    remedy: "it does not weigh votes yet; remove the key if every server's vote may count the same",
};

/// All keys of ZooKeeper 3.9 and our own. A rule with `*` covers what no other rule names.
const RULES: &[Rule] = &[
    // Our own.
    ("treekeeper.cacheSize", Honoured),
    ("treekeeper.logRetention", Honoured),
    ("treekeeper.rulesVersion", Honoured),
    ("treekeeper.strictReads", Honoured),
    ("treekeeper.joinTokenFile", Honoured),
    ("treekeeper.peerAddress", Honoured),
    // Folders, ports, time.
    ("dataDir", Honoured),
    ("dataLogDir", Honoured),
    ("datadir.autocreate", Honoured),
    ("db.autocreate", Honoured),
    ("clientPort", Honoured),
    ("clientPortAddress", Honoured),
    ("clientPortListenBacklog", Honoured),
    ("clientTcpKeepAlive", Honoured),
    ("tickTime", Honoured),
    ("minSessionTimeout", Honoured),
    ("maxSessionTimeout", Honoured),
    ("dynamicConfigFile", Honoured),
    // Limits.
    ("maxClientCnxns", Honoured),
    ("maxCnxns", Honoured),
    ("jute.maxbuffer", Honoured),
    (
        "jute.maxbuffer.extrasize",
        NotUsed("the log and the tree take every request that jute.maxbuffer allows"),
    ),
    ("globalOutstandingLimit", Honoured),
    ("largeRequestThreshold", Honoured),
    ("largeRequestMaxBytes", Honoured),
    ("nio.sessionlessCnxnTimeout", Honoured),
    (
        "connection_throttle_*",
        NotUsed("new connections are limited by maxCnxns and maxClientCnxns alone"),
    ),
    ("request_throttle_*", NO_THROTTLE),
    ("request_stale_*", NO_THROTTLE),
    ("throttled_op_wait_time", NO_THROTTLE),
    // The tree.
    ("skipACL", Honoured),
    ("enforceQuota", Honoured),
    ("extendedTypesEnabled", Honoured),
    (
        "emulate353TTLNodes",
        NotUsed("it concerns how ZooKeeper 3.5.3 stored TTL znodes"),
    ),
    ("znode.container.checkIntervalMs", Honoured),
    ("znode.container.maxPerMinute", Honoured),
    ("znode.container.maxNeverUsedIntervalMs", Honoured),
    (
        "digest.enabled",
        NotUsed("whether the tree has a digest is not for one server to choose"),
    ),
    (
        "closeSessionTxn.enabled",
        NotUsed("a closed session's ephemeral znodes always go with it"),
    ),
    (
        "watchManagerName",
        NotUsed("there is one way to keep watches"),
    ),
    ("watcherClean*", NotUsed("there is one way to keep watches")),
    (
        "maxResponseCacheSize",
        NotUsed("replies are not cached; znodes are, see treekeeper.cacheSize"),
    ),
    (
        "maxGetChildrenResponseCacheSize",
        NotUsed("replies are not cached; znodes are, see treekeeper.cacheSize"),
    ),
    ("readonlymode.enabled", Honoured),
    ("localSessionsEnabled", InEnsemble),
    ("localSessionsUpgradingEnabled", InEnsemble),
    // Disk.
    (
        "forceSync",
        NotUsed("every write is synced to the disk before it is acknowledged, always"),
    ),
    ("fsync.warningthresholdms", Honoured),
    ("preAllocSize", OWN_STORAGE),
    ("snapCount", OWN_STORAGE),
    ("snapSizeLimitInKb", OWN_STORAGE),
    ("txnLogSizeLimitInKb", OWN_STORAGE),
    ("snapshot.compression.method", OWN_STORAGE),
    ("snapshot.trust.empty", OWN_STORAGE),
    ("serializeLastProcessedZxid.enabled", OWN_STORAGE),
    (
        "autopurge.snapRetainCount",
        NotUsed("old log is always removed, see treekeeper.logRetention"),
    ),
    (
        "autopurge.purgeInterval",
        NotUsed("old log is always removed, see treekeeper.logRetention"),
    ),
    (
        "flushDelay",
        NotUsed("the log is synced once for all writes that wait, without a delay"),
    ),
    (
        "maxBatchSize",
        NotUsed("the log is synced once for all writes that wait, without a delay"),
    ),
    (
        "maxWriteQueuePollTime",
        NotUsed("the log is synced once for all writes that wait, without a delay"),
    ),
    // Monitoring.
    ("4lw.commands.whitelist", Honoured),
    ("admin.enableServer", Honoured),
    ("admin.serverAddress", Honoured),
    ("admin.serverPort", Honoured),
    ("admin.commandURL", Honoured),
    ("admin.idleTimeout", Honoured),
    ("admin.portUnification", NO_TLS),
    ("admin.forceHttps", NO_TLS),
    ("admin.needClientAuth", NO_TLS),
    ("admin.snapshot.enabled", NO_ADMIN_SNAPSHOT),
    ("admin.restore.enabled", NO_ADMIN_SNAPSHOT),
    ("admin.rateLimiterIntervalInMS", NO_ADMIN_SNAPSHOT),
    ("metricsProvider.className", Honoured),
    ("metricsProvider.httpHost", Honoured),
    ("metricsProvider.httpPort", Honoured),
    ("metricsProvider.exportJvmInfo", NO_JAVA),
    (
        "metricsProvider.numWorkerThreads",
        NotUsed("metrics need no threads of their own"),
    ),
    (
        "metricsProvider.maxQueueSize",
        NotUsed("metrics need no threads of their own"),
    ),
    (
        "metricsProvider.workerShutdownTimeoutMs",
        NotUsed("metrics need no threads of their own"),
    ),
    ("metricsProvider.httpsPort", NO_TLS),
    ("metricsProvider.ssl.*", NO_TLS),
    ("jvm.pause.*", NO_JAVA),
    ("audit.enable", NotUsed("there is no audit log yet")),
    // Authentication.
    ("DigestAuthenticationProvider.enabled", Honoured),
    ("DigestAuthenticationProvider.superDigest", Honoured),
    ("DigestAuthenticationProvider.digestAlg", Honoured),
    (
        "enableEagerACLCheck",
        NotUsed("ACLs are checked when a command is applied, on every server alike"),
    ),
    (
        "IPAuthenticationProvider.usexforwardedfor",
        NotUsed("it concerns the HTTP command snapshot, which is switched off"),
    ),
    ("sessionRequireClientSASLAuth", NO_SASL),
    ("allowSaslFailedClients", NO_SASL),
    ("sasl.*", NO_SASL),
    ("kerberos.*", NO_SASL),
    ("superUser", NO_SASL),
    ("superUser.*", NO_SASL),
    ("letAnySaslUserDoX", NO_SASL),
    ("quorum.auth.*", NO_SASL),
    ("enforce.auth.*", NO_ENFORCED_AUTH),
    (
        "ensembleAuthName",
        Refused {
            harmless: &[],
            remedy: "it does not check the ensemble's name that clients give; remove the key if that may be left out",
        },
    ),
    (
        "authProvider.*",
        Refused {
            harmless: &[],
            remedy: "it cannot load Java classes, so ACLs of that scheme would protect nothing; remove the key once no \
                     ACL needs the scheme",
        },
    ),
    // TLS to clients.
    ("secureClientPort", NO_TLS),
    ("secureClientPortAddress", NO_TLS),
    ("client.portUnification", NO_TLS),
    ("client.certReload", NO_TLS),
    ("X509AuthenticationProvider.*", NO_TLS),
    ("fips-mode", NotUsed("it concerns the TLS of Java")),
    // TLS between servers.
    ("sslQuorum", InEnsemble),
    ("portUnification", InEnsemble),
    (
        "sslQuorumReloadCertFiles",
        NotUsedInEnsemble(
            "keys and certificates are always read again when their files have changed",
        ),
    ),
    ("ssl.quorum.keyStore.location", InEnsemble),
    ("ssl.quorum.keyStore.type", InEnsemble),
    ("ssl.quorum.keyStore.password", NO_STORE_PASSWORD),
    ("ssl.quorum.keyStore.passwordPath", NO_STORE_PASSWORD),
    ("ssl.quorum.trustStore.location", InEnsemble),
    ("ssl.quorum.trustStore.type", InEnsemble),
    ("ssl.quorum.trustStore.password", NO_STORE_PASSWORD),
    ("ssl.quorum.trustStore.passwordPath", NO_STORE_PASSWORD),
    ("ssl.quorum.clientAuth", InEnsemble),
    ("ssl.quorum.hostnameVerification", InEnsemble),
    ("ssl.quorum.clientHostnameVerification", InEnsemble),
    ("ssl.quorum.protocol", InEnsemble),
    ("ssl.quorum.enabledProtocols", InEnsemble),
    (
        "ssl.quorum.allowReverseDnsLookup",
        NotUsedInEnsemble("the name of an address is never asked for; the address of a name is"),
    ),
    (
        "ssl.quorum.handshakeDetectionTimeoutMillis",
        NotUsedInEnsemble("another server has five seconds to say who it is"),
    ),
    ("ssl.quorum.sslProvider", NO_JAVA),
    ("ssl.quorum.*", NO_SUCH_PEER_TLS),
    ("ssl.*", NO_TLS),
    // Ensembles.
    ("server.*", Honoured),
    ("group.*", NO_HIERARCHY),
    ("weight.*", NO_HIERARCHY),
    ("oraclePath", NO_HIERARCHY),
    ("standaloneEnabled", Honoured),
    ("electionAlg", Honoured),
    ("reconfigEnabled", InEnsemble),
    ("initLimit", InEnsemble),
    ("syncLimit", InEnsemble),
    ("connectToLearnerMasterLimit", OWN_PEERS),
    ("peerType", InEnsemble),
    ("syncEnabled", OBSERVERS),
    ("observerMasterPort", OBSERVERS),
    ("quorumListenOnAllIPs", OWN_PEERS),
    ("quorum.cnxn.threads.size", OWN_PEERS),
    ("multiAddress.*", OWN_PEERS),
    ("commitLogCount", CATCHING_UP),
    ("snapshotSizeFactor", CATCHING_UP),
    ("leaderServes", InEnsemble),
    ("cnxTimeout", OWN_PEERS),
    ("quorumCnxnTimeoutMs", OWN_PEERS),
    ("tcpKeepAlive", OWN_PEERS),
    ("electionPortBindRetry", OWN_PEERS),
    ("observer.*", OBSERVERS),
    ("observerMaster.*", OBSERVERS),
    ("leader.*", OWN_PEERS),
    ("learner.*", OWN_PEERS),
    ("fastleader.*", OWN_PEERS),
    ("messageTracker.*", OWN_PEERS),
    (
        "forward_learner_requests_to_commit_processor_disabled",
        OWN_PEERS,
    ),
    // How ZooKeeper's threads work.
    ("nio.*", OWN_PIPELINE),
    ("netty.*", OWN_PIPELINE),
    ("serverCnxnFactory", OWN_PIPELINE),
    ("commitProcessor.*", OWN_PIPELINE),
];

/// Whether a key may stand in the dynamic config file, and then nowhere else.
pub(super) fn is_membership(key: &str) -> bool {
    ["server.", "group.", "weight."]
        .iter()
        .any(|prefix| key.starts_with(prefix))
}

/// Reports every setting that is not followed.
///
/// # Errors
/// The first setting without which it would be unsafe to start.
pub(super) fn audit(
    settings: &Settings,
    has_joined: bool,
    notices: &mut Vec<Notice>,
) -> Result<(), ConfigError> {
    let several = has_joined || membership::is_ensemble(settings);
    for (key, setting) in settings.iter() {
        let mut not_used = |why: &str| {
            let text = format!("{key} is not used by treekeeper: {why}");
            notices.push(Notice::info(&setting.origin, text));
        };
        match rule_of(key) {
            Some(Honoured) => {}
            Some(InEnsemble) if several => {}
            Some(NotUsedInEnsemble(why)) if several => not_used(why),
            Some(InEnsemble | NotUsedInEnsemble(_)) => not_used(ALONE),
            Some(NotUsed(why)) => not_used(why),
            Some(Refused { harmless, .. }) if is_harmless(setting, harmless) => {}
            Some(Refused { remedy, .. }) => {
                return Err(ConfigError::Refused {
                    origin: setting.origin.clone(),
                    key: key.to_owned(),
                    remedy,
                });
            }
            None => notices.push(Notice::warning(&setting.origin, unknown(key))),
        }
    }
    Ok(())
}

fn is_harmless(setting: &Setting, harmless: &[&str]) -> bool {
    setting.value.is_empty()
        || harmless
            .iter()
            .any(|value| setting.value.eq_ignore_ascii_case(value))
}

/// The fate of a key; none for one that nobody knows.
fn rule_of(key: &str) -> Option<Fate> {
    let exact = RULES.iter().find(|(name, _)| *name == key);
    let covering = || {
        RULES.iter().find(|(name, _)| {
            name.strip_suffix('*')
                .is_some_and(|start| key.starts_with(start))
        })
    };
    exact.or_else(covering).map(|(_, fate)| *fate)
}

fn unknown(key: &str) -> String {
    match nearest(key) {
        Some(known) => format!("{key} is not a key that treekeeper knows; did you mean {known}?"),
        None => format!("{key} is not a key that treekeeper knows; it is ignored"),
    }
}

/// The known key that looks most like `key`, if it is but a few letters away.
fn nearest(key: &str) -> Option<&'static str> {
    let names = RULES
        .iter()
        .map(|(name, _)| *name)
        .filter(|name| !name.ends_with('*'));
    let (distance, name) = names.map(|name| (distance(key, name), name)).min()?;
    (distance <= 1 + key.len() / 6).then_some(name)
}

/// Letters to insert, delete or replace to get from one to the other, whatever their case (Levenshtein's distance).
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.to_lowercase().chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, letter) in a.to_lowercase().chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, other) in b.iter().enumerate() {
            let replaced = diagonal + usize::from(letter != *other);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
pub(super) fn is_known(key: &str) -> bool {
    rule_of(key).is_some()
}

#[cfg(test)]
pub(super) fn honoured() -> impl Iterator<Item = &'static str> {
    RULES
        .iter()
        .filter(|(_, fate)| matches!(fate, Honoured | InEnsemble))
        .map(|(name, _)| *name)
}

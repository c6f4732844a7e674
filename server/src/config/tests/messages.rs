//! What is said about settings that are wrong, unknown, not used or refused, word for word.

use super::*;

/// The error of a minimal file with `lines` below it, which begin on line 3.
fn error(lines: &str) -> String {
    let folder = Folder::with(&format!("{MINIMAL}{lines}"));
    let error = folder.load().expect_err(lines);
    folder.said(&error)
}

#[test]
fn what_is_wrong_with_a_flag_is_said_with_the_flag() {
    let message = |flags: &Flags| Config::load(flags).expect_err("wrong").to_string();
    assert_eq!(
        message(&set(&["tickTime"])),
        "--set tickTime: give key=value"
    );
    assert_eq!(
        message(&set(&["tickTime=x"])),
        "--set tickTime=x: tickTime=x is not allowed: give a whole number of milliseconds from 1 to 2147483647"
    );
    let (_, notices) = Config::load(&set(&["tickTim=1"])).expect("only a warning");
    assert_eq!(
        notices[0].to_string(),
        "--set tickTim=1: tickTim is not a key that treekeeper knows; did you mean tickTime?"
    );
}

#[test]
fn a_file_must_say_where_data_and_clients_go() {
    let message = |text: &str| Folder::with(text).load().expect_err(text).to_string();
    assert_eq!(
        message("dataDir=/data\n"),
        "clientPort is not set: clients would have nowhere to connect; add clientPort=2181 to the config file"
    );
    assert_eq!(
        message("clientPort=2181\n"),
        "dataDir is not set: say where the data goes; add dataDir=/var/lib/treekeeper to the config file"
    );
}

#[test]
fn a_file_that_cannot_be_read_is_named() {
    let flags = Flags {
        config: Some("/nowhere/zoo.cfg".into()),
        ..Flags::default()
    };
    let message = Config::load(&flags).expect_err("no file").to_string();
    assert_eq!(
        message,
        "cannot read the config file /nowhere/zoo.cfg: No such file or directory (os error 2)"
    );
    assert_eq!(
        error("a=\\u00x"),
        "zoo.cfg:3: \\u must be followed by four hexadecimal digits"
    );
}

#[test]
fn wrong_values_are_errors_with_their_line_and_what_is_allowed() {
    for (line, expected) in [
        (
            "tickTime=0",
            "give a whole number of milliseconds from 1 to 2147483647",
        ),
        ("maxCnxns=many", "give a whole number from -1 to 2147483647"),
        (
            "globalOutstandingLimit=0",
            "give a whole number from 1 to 2147483647",
        ),
        (
            "jute.maxbuffer=1",
            "give a whole number of bytes from 1024 to 2147483647",
        ),
        (
            "jute.maxbuffer=99999999999",
            "give a whole number of bytes from 1024 to 2147483647",
        ),
        ("extendedTypesEnabled=yes", "give true or false"),
        ("skipACL=maybe", "give yes or no"),
        ("admin.serverPort=65536", "give a port from 0 to 65535"),
        (
            "admin.commandURL=commands",
            "give a path that begins with / and has no braces",
        ),
        (
            "clientPortAddress=no.such.host.invalid",
            "give an IP address or the name of a host that resolves to one",
        ),
        (
            "treekeeper.cacheSize=1K",
            "give a number of bytes, at least 1048576, as in 1073741824, 1024M or 1G",
        ),
        (
            "treekeeper.cacheSize=1X",
            "give a number of bytes, at least 1048576, as in 1073741824, 1024M or 1G",
        ),
        ("electionAlg=1", "give 3, the only one there is"),
        (
            "DigestAuthenticationProvider.digestAlg=MD5",
            "give SHA1, SHA-256, SHA-384 or SHA-512",
        ),
        (
            "DigestAuthenticationProvider.superDigest=secret",
            "give user:digest, the digest being base64(sha1(\"user:password\"))",
        ),
        (
            "metricsProvider.className=com.example.Mine",
            "give org.apache.zookeeper.metrics.prometheus.PrometheusMetricsProvider or \
             org.apache.zookeeper.metrics.impl.DefaultMetricsProvider",
        ),
        (
            "server.x=h:1:2",
            "give server.N with N from 0 to 255 as the key",
        ),
        (
            "server.1=h:1",
            "give host:quorumPort:electionPort[:participant|observer][|more of these][;[clientHost:]clientPort]",
        ),
    ] {
        assert_eq!(
            error(line),
            format!("zoo.cfg:3: {line} is not allowed: {expected}")
        );
    }
}

#[test]
fn contradictions_are_errors() {
    assert_eq!(
        error("minSessionTimeout=70000"),
        "zoo.cfg:3: minSessionTimeout (70000 ms) must not be larger than maxSessionTimeout (60000 ms)"
    );
    assert_eq!(
        error("server.1=h:1:2;2182"),
        "zoo.cfg:3: the client port 2182 contradicts clientPort=2181: give one of them"
    );
    assert_eq!(
        error("server.1=h:1:2:observer;2181"),
        "zoo.cfg:3: server.1 is an observer, and there is nobody it could follow"
    );
}

#[test]
fn keys_that_are_not_used_are_reported_with_their_line_and_why() {
    assert_eq!(
        notices("initLimit=10\nsnapCount=1\nforceSync=no\nzookeeper.preAllocSize=1"),
        [
            "zoo.cfg:3: initLimit is not used by treekeeper: this server is the only one of its ensemble",
            "zoo.cfg:4: snapCount is not used by treekeeper: log and tree have formats of their own, which need no \
             such setting",
            "zoo.cfg:5: forceSync is not used by treekeeper: every write is synced to the disk before it is \
             acknowledged, always",
            "zoo.cfg:6: preAllocSize is not used by treekeeper: log and tree have formats of their own, which need \
             no such setting",
        ]
    );
}

#[test]
fn unknown_keys_are_warnings_that_suggest_the_nearest_known_one() {
    let folder = Folder::with(&format!("{MINIMAL}maxClientCnxn=1\nmy.own.key=1\n"));
    let (_, notices) = folder.load().expect("only warnings");
    assert!(notices.iter().all(|notice| notice.level == Level::Warning));
    let said: Vec<_> = notices.iter().map(|notice| folder.said(notice)).collect();
    assert_eq!(
        said,
        [
            "zoo.cfg:3: maxClientCnxn is not a key that treekeeper knows; did you mean maxClientCnxns?",
            "zoo.cfg:4: my.own.key is not a key that treekeeper knows; it is ignored",
        ]
    );
}

#[test]
fn a_key_given_twice_is_a_warning_and_the_last_one_wins() {
    let folder = Folder::with(&format!("{MINIMAL}tickTime=1\nzookeeper.tickTime=2\n"));
    let (config, notices) = folder.load().expect("only a warning");
    assert_eq!(config.tick_time, Duration::from_millis(2));
    let said = folder.said(&notices[0]);
    assert_eq!(
        said,
        "zoo.cfg:4: tickTime was already given at zoo.cfg:3; this line wins"
    );
}

#[test]
fn neglected_security_refuses_to_start() {
    let refused = "is not supported by treekeeper, and starting without it would be unsafe:";
    assert_eq!(
        error("secureClientPort=2281"),
        format!(
            "zoo.cfg:3: secureClientPort {refused} it speaks TLS between servers only; remove the key and put a TLS \
             proxy before the port, or stay with ZooKeeper"
        )
    );
    assert_eq!(
        error("enforce.auth.enabled=true"),
        format!(
            "zoo.cfg:3: enforce.auth.enabled {refused} it does not force clients to authenticate yet; remove the \
             key if clients may do without, or stay with ZooKeeper"
        )
    );
    for line in [
        "secureClientPortAddress=::",
        "ssl.keyStore.location=/k",
        "ssl.quorum.crl=true",
        "zookeeper.ssl.clientAuth=need",
        "client.portUnification=true",
        "admin.forceHttps=true",
        "enforce.auth.schemes=sasl",
        "sessionRequireClientSASLAuth=true",
        "allowSaslFailedClients=TRUE",
        "sasl.serverconfig=Server",
        "kerberos.removeHostFromPrincipal=true",
        "quorum.auth.enableSasl=true",
        "superUser=admin",
        "superUser.1=admin",
        "authProvider.1=com.example.Provider",
        "X509AuthenticationProvider.superUser=CN=x",
        "ensembleAuthName=prod",
        "group.1=1:2:3",
        "weight.1=1",
        "oraclePath=/oracle",
    ] {
        let message = error(line);
        assert!(message.starts_with("zoo.cfg:3: "), "{message}");
        assert!(message.contains(refused), "{message}");
    }
}

#[test]
fn switching_off_what_is_not_supported_is_harmless() {
    let lines = "client.portUnification=false\nssl.clientAuth=\nenforce.auth.enabled=false\n\
                 sessionRequireClientSASLAuth=false\nquorum.auth.enableSasl=false\nsecureClientPort=\n";
    assert_eq!(notices(lines), Vec::<String>::new());
}

#[test]
fn everybody_may_do_everything_is_a_warning() {
    assert_eq!(
        notices("skipACL=yes"),
        ["zoo.cfg:3: skipACL=yes lets every client read and change every znode"]
    );
}

#[test]
fn a_quorum_of_one_is_noted() {
    assert_eq!(
        notices("server.1=h:1:2\nstandaloneEnabled=false"),
        [
            "zoo.cfg:4: standaloneEnabled=false changes nothing: the only server is an ensemble of one in any case, \
             and reports itself as standalone"
        ]
    );
}

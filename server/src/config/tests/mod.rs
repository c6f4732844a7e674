//! The rules by which settings are read.

mod data_dir;
mod ensemble;
mod messages;
mod peer_tls;
mod sample;

use super::*;
use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;
use tempfile::TempDir;
use treekeeper_protocol::FourLetterWord;

const MINIMAL: &str = "dataDir=/data\nclientPort=2181\n";

/// A folder with a zoo.cfg in it.
struct Folder(TempDir);

impl Folder {
    fn with(text: &str) -> Self {
        let folder = Self(TempDir::new().expect("a folder"));
        fs::write(folder.path("zoo.cfg"), text).expect("written");
        folder
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn flags(&self) -> Flags {
        Flags {
            config: Some(self.path("zoo.cfg")),
            ..Flags::default()
        }
    }

    fn load(&self) -> Result<(Config, Vec<Notice>), ConfigError> {
        Config::load(&self.flags())
    }

    /// What is said, with the folder's name left out.
    fn said(&self, text: &dyn std::fmt::Display) -> String {
        text.to_string()
            .replace(&format!("{}/", self.0.path().display()), "")
    }
}

fn load(text: &str) -> Config {
    Folder::with(text)
        .load()
        .unwrap_or_else(|error| panic!("{text}: {error}"))
        .0
}

/// The notices on a minimal file with `lines` below it, which begin on line 3.
fn notices(lines: &str) -> Vec<String> {
    let folder = Folder::with(&format!("{MINIMAL}{lines}"));
    let (_, notices) = folder
        .load()
        .unwrap_or_else(|error| panic!("{lines}: {error}"));
    notices.iter().map(|notice| folder.said(notice)).collect()
}

fn set(pairs: &[&str]) -> Flags {
    Flags {
        set: pairs.iter().map(|pair| (*pair).to_owned()).collect(),
        ..Flags::default()
    }
}

fn any(port: u16) -> ListenAddress {
    ListenAddress::Any { port }
}

fn at(address: &str) -> ListenAddress {
    ListenAddress::At(address.parse::<SocketAddr>().expect("an address"))
}

#[test]
fn without_a_file_the_server_is_for_this_machine_alone() {
    let (config, notices) = Config::load(&Flags::default()).expect("defaults are right");
    assert!(notices.is_empty());
    assert_eq!(config.client.address, at("127.0.0.1:2181"));
    assert_eq!(config.admin.address, at("127.0.0.1:8080"));
    assert_eq!(config.storage.data_dir, PathBuf::from("data"));
    assert_eq!(config.tick_time, Duration::from_secs(2));
}

#[test]
fn a_file_has_zookeepers_defaults() {
    let config = load(MINIMAL);
    assert_eq!(config.tick_time, Duration::from_secs(3));
    assert_eq!(config.storage.data_log_dir, PathBuf::from("/data"));
    assert!(config.storage.create_folders && config.storage.create_database);
    let retention = |is_alone| config.storage.log_retention(is_alone);
    assert_eq!((retention(true), retention(false)), (64 << 20, 256 << 20));
    let client = config.client;
    assert_eq!(client.address, any(2181));
    assert_eq!(client.min_session_timeout, Duration::from_secs(6));
    assert_eq!(client.max_session_timeout, Duration::from_secs(60));
    assert_eq!(
        (client.max_client_cnxns, client.max_cnxns),
        (Some(60), None)
    );
    assert_eq!(client.jute_max_buffer, 1_048_575);
    assert_eq!(client.global_outstanding_limit, 1000);
    assert_eq!(client.sessionless_timeout, Duration::from_secs(10));
    assert_eq!((client.listen_backlog, client.large_requests), (None, None));
    let replicated = config.replicated;
    assert!(!replicated.skip_acl && !replicated.enforce_quota && replicated.digest_scheme);
    assert!(
        replicated.extended_types,
        "the one default that is not ZooKeeper's"
    );
    assert_eq!(replicated, ReplicatedSettings::default());
    assert_eq!(config.auth.super_digest, None);
    assert_eq!(config.containers.check_interval, Duration::from_secs(60));
    assert_eq!(
        (
            config.containers.max_per_minute,
            config.containers.max_never_used
        ),
        (10_000, None)
    );
    assert!(config.admin.enabled);
    assert_eq!(
        (config.admin.address, config.admin.command_url.as_str()),
        (any(8080), "/commands")
    );
    assert_eq!(config.metrics, MetricsProvider::Default);
}

#[test]
fn flags_go_over_the_file() {
    let folder = Folder::with("dataDir=/file\nclientPort=1\ntickTime=1\nmaxClientCnxns=1\n");
    let flags = Flags {
        data_dir: Some("/flag".into()),
        client_port: Some(2),
        set: vec![
            "tickTime=2".to_owned(),
            "zookeeper.maxCnxns = 3".to_owned(),
            "tickTime=4".to_owned(),
        ],
        ..folder.flags()
    };
    let (config, notices) = Config::load(&flags).expect("right");
    assert_eq!(config.storage.data_dir, PathBuf::from("/flag"));
    assert_eq!(config.client.address, any(2));
    assert_eq!(config.tick_time, Duration::from_millis(4));
    assert_eq!(
        (config.client.max_client_cnxns, config.client.max_cnxns),
        (Some(1), Some(3))
    );
    assert!(notices.is_empty());
}

#[test]
fn flags_alone_stay_on_this_machine() {
    let flags = Flags {
        client_port: Some(0),
        ..Flags::default()
    };
    let (config, _) = Config::load(&flags).expect("right");
    assert_eq!(config.client.address, at("127.0.0.1:0"));
}

#[test]
fn zookeepers_arguments_stand_in_for_a_file() {
    let legacy = |arguments: &[&str]| {
        let legacy = arguments
            .iter()
            .map(|argument| (*argument).to_owned())
            .collect();
        Config::load(&Flags {
            legacy,
            ..Flags::default()
        })
    };
    let (config, _) = legacy(&["2181", "/data", "500", "7"]).expect("right");
    assert_eq!(
        (config.client.address, config.client.max_client_cnxns),
        (any(2181), Some(7))
    );
    assert_eq!(config.storage.data_dir, PathBuf::from("/data"));
    assert_eq!(config.tick_time, Duration::from_millis(500));
    let (config, _) = legacy(&["2181", "/data"]).expect("right");
    assert_eq!(config.tick_time, Duration::from_secs(3));
    let usage = "give either --config FILE or <clientPort> <dataDir> [tickTime] [maxClientCnxns]";
    assert_eq!(legacy(&["2181"]).expect_err("too few").to_string(), usage);
    assert_eq!(
        legacy(&["1", "2", "3", "4", "5"])
            .expect_err("too many")
            .to_string(),
        usage
    );
    assert_eq!(
        legacy(&["port", "/data"]).expect_err("no port").to_string(),
        "the command line: clientPort=port is not allowed: give a port from 0 to 65535"
    );
    let folder = Folder::with(MINIMAL);
    let both = Flags {
        legacy: vec!["1".to_owned(), "2".to_owned()],
        ..folder.flags()
    };
    assert_eq!(Config::load(&both).expect_err("both").to_string(), usage);
}

#[test]
fn numbers_may_be_hexadecimal_and_sizes_have_suffixes() {
    assert_eq!(
        load(&format!("{MINIMAL}jute.maxbuffer=0x400000"))
            .client
            .jute_max_buffer,
        4 << 20
    );
    for (size, bytes) in [
        ("2097152", 2 << 20),
        ("2M", 2 << 20),
        ("3 gb", 3 << 30),
        ("1T", 1 << 40),
        ("4096k", 4 << 20),
    ] {
        let config = load(&format!("{MINIMAL}treekeeper.cacheSize={size}"));
        assert_eq!(config.storage.cache_bytes, bytes, "{size}");
    }
}

#[test]
fn an_empty_value_counts_as_not_given() {
    let config = load(&format!("{MINIMAL}maxClientCnxns=\ndataLogDir=\n"));
    assert_eq!(config.client.max_client_cnxns, Some(60));
    assert_eq!(config.storage.data_log_dir, PathBuf::from("/data"));
}

#[test]
fn no_limit_is_none() {
    let config = load(&format!(
        "{MINIMAL}maxClientCnxns=0\nmaxCnxns=-1\nadmin.idleTimeout=0\n"
    ));
    assert_eq!(
        (config.client.max_client_cnxns, config.client.max_cnxns),
        (None, None)
    );
    assert_eq!(config.admin.idle_timeout, None);
}

#[test]
fn session_timeouts_follow_the_tick() {
    let config = load(&format!(
        "{MINIMAL}tickTime=500\nmaxSessionTimeout=60000\nminSessionTimeout=-1\n"
    ));
    assert_eq!(config.client.min_session_timeout, Duration::from_secs(1));
    assert_eq!(config.client.max_session_timeout, Duration::from_secs(60));
}

#[test]
fn the_only_member_gives_the_client_port() {
    let config = load("dataDir=/data\nserver.1=localhost:2888:3888;2182\n");
    assert_eq!(config.client.address, any(2182));
    let config = load(
        "dataDir=/data\nserver.1=localhost:2888:3888:participant;0.0.0.0:2182\nclientPort=2182\n",
    );
    assert_eq!(config.client.address, any(2182));
    let config = load("dataDir=/data\nserver.3=[::1]:2888:3888;[::1]:2182\n");
    assert_eq!(config.client.address, at("[::1]:2182"));
    let config = load(&format!("{MINIMAL}server.1=localhost:2888:3888\n"));
    assert_eq!(config.client.address, any(2181));
}

#[test]
fn the_dynamic_file_holds_the_members() {
    let folder = Folder::with("");
    let dynamic = folder.path("zoo.cfg.dynamic");
    let text = format!("dataDir=/data\ndynamicConfigFile={}\n", dynamic.display());
    fs::write(folder.path("zoo.cfg"), &text).expect("written");
    fs::write(
        &dynamic,
        "server.1=localhost:2888:3888:participant;127.0.0.1:2183\n",
    )
    .expect("written");
    let (config, _) = folder.load().expect("right");
    assert_eq!(config.client.address, at("127.0.0.1:2183"));

    fs::write(&dynamic, "server.1=a:1:2\nserver.2=a:1:2\n").expect("written");
    assert_eq!(
        folder.said(&folder.load().expect_err("the same member twice")),
        "zoo.cfg.dynamic:2: server.2 has the address a:1 of server.1: give every server one of its own"
    );

    fs::write(&dynamic, "server.1=a:1:2;2181\ntickTime=1\n").expect("written");
    assert_eq!(
        folder.said(&folder.load().expect_err("another key")),
        "zoo.cfg.dynamic:2: tickTime does not belong into a dynamic config file: only server.N, group.N and weight.N do"
    );

    fs::write(folder.path("zoo.cfg"), format!("{text}server.1=a:1:2\n")).expect("written");
    assert_eq!(
        folder.said(&folder.load().expect_err("members in both")),
        "zoo.cfg:3: server.1 must stand in zoo.cfg.dynamic, since dynamicConfigFile is given"
    );
}

#[test]
fn the_whitelist_always_answers_srvr() {
    let whitelist = |lines: &str| load(&format!("{MINIMAL}{lines}")).four_letter_words;
    let answered = |whitelist: &Whitelist| {
        let words = FourLetterWord::ALL
            .iter()
            .filter(|word| whitelist.contains(**word));
        words.map(|word| word.name()).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(answered(&whitelist("")), "srvr");
    assert_eq!(
        answered(&whitelist("4lw.commands.whitelist= ruok , mntr")),
        "mntr ruok srvr"
    );
    assert_eq!(
        answered(&whitelist("readonlymode.enabled=true")),
        "isro srvr"
    );
    let all = whitelist("4lw.commands.whitelist=*");
    assert!(FourLetterWord::ALL.iter().all(|word| all.contains(*word)));
    assert_eq!(
        notices("4lw.commands.whitelist=ruok,nope"),
        ["zoo.cfg:3: 4lw.commands.whitelist names nope, which is no four-letter word"]
    );
}

#[test]
fn listeners_have_addresses() {
    let lines = "clientPortAddress=127.0.0.1\nadmin.serverAddress=::1\nadmin.serverPort=8081\n\
                 metricsProvider.className=org.apache.zookeeper.metrics.prometheus.PrometheusMetricsProvider\n\
                 metricsProvider.httpHost=127.0.0.1\n";
    let config = load(&format!("{MINIMAL}{lines}"));
    assert_eq!(config.client.address, at("127.0.0.1:2181"));
    assert_eq!(config.admin.address, at("[::1]:8081"));
    assert_eq!(
        config.metrics,
        MetricsProvider::Prometheus {
            address: at("127.0.0.1:7000")
        }
    );
    let addresses: Vec<_> = any(1)
        .candidates()
        .iter()
        .map(ToString::to_string)
        .collect();
    assert_eq!(addresses, ["[::]:1", "0.0.0.0:1"]);
}

#[test]
fn large_requests_are_limited_by_threshold_and_sum() {
    let config = load(&format!("{MINIMAL}largeRequestThreshold=1000\n"));
    let limit = config.client.large_requests.expect("given");
    assert_eq!((limit.threshold, limit.max_bytes), (1000, 104_857_600));
}

#[test]
fn the_file_is_kept_without_its_secrets() {
    let text =
        "dataDir=/data\nclientPort=1\nDigestAuthenticationProvider.superDigest=super:abc=\n# end\n";
    let kept = "dataDir=/data\nclientPort=1\nDigestAuthenticationProvider.superDigest=***\n# end\n";
    assert_eq!(load(text).initial_configuration, kept);
}

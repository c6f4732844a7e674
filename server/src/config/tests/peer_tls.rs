//! TLS between the members: what is read, what is missing, what is warned of.

use super::*;

const TWO: &str = "server.1=a:1:2\nserver.2=b:1:2\nserver.3=c:1:2\ninitLimit=10\nsyncLimit=5\n";
const STORES: &str = "ssl.quorum.keyStore.location=/k.pem\nssl.quorum.trustStore.location=/t.pem\n";

/// A member's settings with `lines`, which begin on line 8.
fn member(lines: &str) -> Folder {
    let folder = Folder::with("");
    let data_dir = folder.0.path().display();
    let text = format!("dataDir={data_dir}\nclientPort=2181\n{TWO}{lines}");
    fs::write(folder.path("zoo.cfg"), text).expect("written");
    fs::write(folder.path("myid"), "1").expect("written");
    folder
}

fn read(lines: &str) -> (Option<PeerTls>, Vec<String>) {
    let folder = member(lines);
    let loaded = folder.load();
    let (config, notices) = loaded.unwrap_or_else(|error| panic!("{lines}: {error}"));
    let said = notices.iter().map(|notice| folder.said(notice)).collect();
    (config.peer_tls, said)
}

fn error(lines: &str) -> String {
    let folder = member(lines);
    folder.said(&folder.load().expect_err(lines))
}

#[test]
fn members_talk_without_tls_unless_they_are_told_to() {
    assert_eq!(read(""), (None, Vec::new()));
    assert_eq!(
        read("sslQuorum=false\nportUnification=false\n"),
        (None, Vec::new())
    );
    let (tls, notices) = read(STORES);
    assert_eq!(tls, None);
    assert_eq!(
        notices,
        [
            "zoo.cfg:8: ssl.quorum.keyStore.location is not used: TLS between servers takes sslQuorum=true, or \
             portUnification=true"
        ]
    );
}

#[test]
fn the_defaults_are_the_strict_ones() {
    let (tls, notices) = read(&format!("{STORES}sslQuorum=true\n"));
    assert_eq!(notices, Vec::<String>::new());
    assert_eq!(
        tls,
        Some(PeerTls {
            calls_with_tls: true,
            accepts_plain: false,
            key_store: "/k.pem".into(),
            trust_store: "/t.pem".into(),
            client_auth: ClientAuth::Need,
            checks_hosts: true,
            checks_callers: true,
            versions: TlsVersions::All,
        })
    );
}

#[test]
fn everything_can_be_set() {
    let lines = "sslQuorum=false\nportUnification=true\nssl.quorum.clientAuth=WANT\n\
                 ssl.quorum.hostnameVerification=false\nzookeeper.ssl.quorum.enabledProtocols=TLSv1.2\n\
                 ssl.quorum.protocol=TLSv1.3\nssl.quorum.keyStore.type=pem\n";
    let (tls, notices) = read(&format!("{STORES}{lines}"));
    let tls = tls.expect("TLS");
    assert!(!tls.calls_with_tls && tls.accepts_plain);
    assert!(!tls.checks_hosts && !tls.checks_callers);
    assert_eq!(tls.client_auth, ClientAuth::Want);
    assert_eq!(tls.versions, TlsVersions::Only12, "the list goes first");
    assert_eq!(
        notices,
        [
            "zoo.cfg:11: portUnification=true lets everybody who reaches the port of the servers take part without a \
             certificate: set it to false once all of them have sslQuorum=true",
            "zoo.cfg:12: ssl.quorum.clientAuth=WANT lets everybody who reaches the port of the servers take part without \
             a certificate",
        ]
    );
    let versions = |line: &str| {
        let (tls, _) = read(&format!("{STORES}sslQuorum=true\n{line}\n"));
        tls.expect("TLS").versions
    };
    assert_eq!(versions("ssl.quorum.protocol=TLSv1.3"), TlsVersions::Only13);
    assert_eq!(
        versions("ssl.quorum.enabledProtocols=TLSv1.3, TLSv1.2"),
        TlsVersions::All
    );
    let (tls, _) = read(&format!(
        "{STORES}sslQuorum=true\nssl.quorum.clientHostnameVerification=false\n"
    ));
    let tls = tls.expect("TLS");
    assert!(tls.checks_hosts && !tls.checks_callers);
}

#[test]
fn what_tls_needs_must_be_there() {
    for (lines, key) in [
        ("sslQuorum=true", "ssl.quorum.keyStore.location"),
        ("portUnification=true", "ssl.quorum.keyStore.location"),
        (
            "sslQuorum=true\nssl.quorum.keyStore.location=/k.pem",
            "ssl.quorum.trustStore.location",
        ),
    ] {
        let error = error(lines);
        assert!(error.starts_with(&format!("{key} is not set: ")), "{error}");
        assert!(error.contains("give a PEM file"), "{error}");
    }
}

#[test]
fn stores_of_java_are_refused_with_the_commands_that_convert_them() {
    assert_eq!(
        error("sslQuorum=true\nssl.quorum.keyStore.location=/k.p12\n"),
        "zoo.cfg:9: ssl.quorum.keyStore.location=/k.p12 is a PKCS12 file, and treekeeper reads keys and certificates from \
         PEM files: convert it with \"openssl pkcs12 -in /k.p12 -nodes -out server.pem\", and give that file"
    );
    assert_eq!(
        error("ssl.quorum.trustStore.location=/trust\nssl.quorum.trustStore.type=jks\n"),
        "zoo.cfg:8: ssl.quorum.trustStore.location=/trust is a JKS file, and treekeeper reads keys and certificates from \
         PEM files: convert it with \"keytool -importkeystore -srckeystore /trust -srcstoretype JKS -destkeystore \
         store.p12 -deststoretype PKCS12 && openssl pkcs12 -in store.p12 -nokeys -out trust.pem\", and give that file"
    );
}

#[test]
fn what_would_restrict_tls_further_is_refused() {
    for line in [
        "ssl.quorum.ciphersuites=TLS_AES_256_GCM_SHA384",
        "ssl.quorum.crl=true",
        "ssl.quorum.ocsp=true",
        "ssl.quorum.context.supplier.class=com.example.Supplier",
    ] {
        let error = error(line);
        assert!(error.starts_with("zoo.cfg:8: ssl.quorum."), "{error}");
        assert!(
            error.contains("cannot restrict the TLS between servers"),
            "{error}"
        );
    }
    assert_eq!(
        read("ssl.quorum.crl=false\nssl.quorum.ocsp=false\n"),
        (None, Vec::new())
    );
}

#[test]
fn a_server_alone_has_nobody_to_talk_to() {
    let lines = format!("{STORES}sslQuorum=true\nportUnification=true\n");
    let config = load(&format!("{MINIMAL}{lines}"));
    assert_eq!(config.peer_tls, None);
    let notices = notices(&lines);
    assert_eq!(notices.len(), 4);
    let alone = "is not used by treekeeper: this server is the only one of its ensemble";
    assert!(
        notices.iter().all(|notice| notice.contains(alone)),
        "{notices:?}"
    );
}

#[test]
fn passwords_of_stores_are_not_shown() {
    let folder = member("ssl.quorum.keyStore.password=tell-nobody\n");
    let (config, notices) = folder.load().expect("right");
    assert!(!config.initial_configuration.contains("tell-nobody"));
    let said: Vec<_> = notices.iter().map(|notice| folder.said(notice)).collect();
    assert_eq!(
        said,
        [
            "zoo.cfg:8: ssl.quorum.keyStore.password is not used by treekeeper: keys and certificates are in PEM files \
             without a password"
        ]
    );
}

//! Links with TLS: who is believed, who is refused, and what both are told.

use std::fs;
use std::path::Path;
use std::time::Duration;

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, date_time_ymd};
use tempfile::TempDir;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::CertificateDer;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

use super::*;
use crate::config::{ClientAuth, PeerTls, TlsVersions};

/// Names under which this process reaches itself.
const HERE: &[&str] = &["127.0.0.1", "localhost"];
/// And an address that it does not have.
const ELSEWHERE: &[&str] = &["192.0.2.1"];
/// Much longer than anything takes that ends at all.
const PATIENCE: Duration = Duration::from_secs(30);

/// Whoever signs certificates.
struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
}

impl Authority {
    fn new(name: &str) -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, name);
        let key = KeyPair::generate().unwrap();
        let pem = params.self_signed(&key).unwrap().pem();
        let issuer = Issuer::new(params, key);
        Self { issuer, pem }
    }

    /// A key and its certificate in one file, as ZooKeeper's PEM key stores are.
    fn sign(&self, hosts: &[&str]) -> String {
        self.sign_as(hosts, |_| {})
    }

    fn sign_as(&self, hosts: &[&str], change: impl FnOnce(&mut CertificateParams)) -> String {
        let hosts: Vec<_> = hosts.iter().map(|host| (*host).to_owned()).collect();
        let mut params = CertificateParams::new(hosts).unwrap();
        change(&mut params);
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        key.serialize_pem() + &certificate.pem()
    }
}

/// A member's files and settings.
struct Store {
    _folder: TempDir,
    settings: PeerTls,
}

impl Store {
    fn new(own: &str, trusted: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = Self {
            settings: PeerTls {
                calls_with_tls: true,
                accepts_plain: false,
                key_store: folder.path().join("own.pem"),
                trust_store: folder.path().join("trust.pem"),
                client_auth: ClientAuth::Need,
                checks_hosts: true,
                checks_callers: true,
                versions: TlsVersions::All,
            },
            _folder: folder,
        };
        store.write(own, trusted);
        store
    }

    fn write(&self, own: &str, trusted: &str) {
        fs::write(&self.settings.key_store, own).unwrap();
        fs::write(&self.settings.trust_store, trusted).unwrap();
    }

    fn with(mut self, change: impl FnOnce(&mut PeerTls)) -> Self {
        change(&mut self.settings);
        self
    }

    fn load(&self) -> Result<Arc<Tls>, TlsError> {
        Tls::load(&self.settings, Vec::new())
    }

    /// A member that listens; its port.
    async fn listen(&self) -> u16 {
        listening(Some(self.load().unwrap())).await
    }

    /// A link to the port.
    fn link(&self, port: u16) -> Link {
        linked(Some(self.load().unwrap()), port)
    }
}

async fn listening(tls: Option<Arc<Tls>>) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let local = Arc::new(Local::new(identity(1)).with_tls(tls));
    tokio::spawn(listen(listener, local, Arc::new(Echo)));
    port
}

fn linked(tls: Option<Arc<Tls>>, port: u16) -> Link {
    let local = Arc::new(Local::new(identity(2)).with_tls(tls));
    Link::open(local, target(port, 0))
}

async fn works(link: &Link) -> bool {
    link.call(ECHO, Bytes::from_static(b"x")).await == Ok(Bytes::from_static(b"x"))
}

/// Why a link cannot be had.
async fn refusal(link: &Link) -> String {
    link.call(ECHO, Bytes::new())
        .await
        .expect_err("it is refused")
        .to_string()
}

#[track_caller]
fn assert_says(text: &str, part: &str) {
    assert!(text.contains(part), "{part:?} in {text:?}");
}

#[tokio::test]
async fn members_with_certificates_of_one_authority_talk_in_both_versions() {
    let authority = Authority::new("ours");
    let store = |versions| {
        Store::new(&authority.sign(HERE), &authority.pem).with(|tls| tls.versions = versions)
    };
    let port = store(TlsVersions::All).listen().await;
    for versions in [TlsVersions::All, TlsVersions::Only12, TlsVersions::Only13] {
        let link = store(versions).link(port);
        let large = Bytes::from(vec![7; 3 << 20]);
        assert_eq!(link.call(ECHO, large.clone()).await, Ok(large));
        let calls = (0..200_u8).map(|number| link.call(ECHO, Bytes::from(vec![number])));
        for (number, answer) in (0..).zip(futures::future::join_all(calls).await) {
            assert_eq!(answer, Ok(Bytes::from(vec![number])));
        }
        assert_eq!(
            link.call(REFUSE, Bytes::new()).await,
            Err(LinkError::Refused("server 2 asks too much".to_owned()))
        );
    }
    let local = Local::new(identity(2)).with_tls(Some(store(TlsVersions::All).load().unwrap()));
    assert_eq!(probe(&local, &target(port, 0)).await, Ok(identity(1)));

    let port = store(TlsVersions::Only13).listen().await;
    let old = store(TlsVersions::Only12).link(port);
    assert_says(&refusal(&old).await, "compare ssl.quorum.enabledProtocols");
}

#[tokio::test]
async fn a_caller_without_a_certificate_gets_nothing() {
    let authority = Authority::new("ours");
    let store = Store::new(&authority.sign(HERE), &authority.pem);
    let port = store.listen().await;
    let mut roots = RootCertStore::empty();
    let root = CertificateDer::from_pem_slice(authority.pem.as_bytes()).unwrap();
    roots.add(root).unwrap();
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let connector = TlsConnector::from(Arc::new(config));
    let call = async |port| {
        let stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
        let name = "localhost".try_into().unwrap();
        let mut stream = connector.connect(name, stream).await.unwrap();
        let hello = Hello {
            versions: (VERSION_MIN, VERSION),
            from: identity(2),
            wanted: 0,
        };
        let mut out = BytesMut::from(&MAGIC[..]);
        frame::put(&mut out, 0, 0, &hello.encode());
        stream.write_all(&out).await.unwrap();
        stream.flush().await.unwrap();
        let mut said = [0; 1];
        timeout(PATIENCE, stream.read(&mut said)).await.unwrap()
    };
    let error = call(port).await.expect_err("refused").to_string();
    assert_says(&error, "CertificateRequired");
    assert!(works(&store.link(port)).await);

    for client_auth in [ClientAuth::Want, ClientAuth::None] {
        let open = Store::new(&authority.sign(HERE), &authority.pem)
            .with(|tls| tls.client_auth = client_auth);
        assert_eq!(
            call(open.listen().await).await.unwrap(),
            1,
            "{client_auth:?}"
        );
    }
}

#[tokio::test]
async fn a_certificate_of_a_stranger_is_refused_and_both_ends_know_why() {
    let (ours, theirs) = (Authority::new("ours"), Authority::new("theirs"));
    let port = Store::new(&ours.sign(HERE), &ours.pem).listen().await;
    // It believes this member, but is not believed.
    let unknown = Store::new(&theirs.sign(HERE), &ours.pem).link(port);
    assert_says(
        &refusal(&unknown).await,
        "does not believe who signed this server's certificate",
    );
    let unbelieving = Store::new(&ours.sign(HERE), &theirs.pem).link(port);
    assert_says(&refusal(&unbelieving).await, "signed by nobody in");
    let both = Store::new(&ours.sign(HERE), &(theirs.pem.clone() + &ours.pem)).link(port);
    assert!(works(&both).await);
}

#[tokio::test]
async fn an_expired_certificate_is_refused_at_either_end() {
    let authority = Authority::new("ours");
    let expired = authority.sign_as(HERE, |params| {
        params.not_before = date_time_ymd(2020, 1, 1);
        params.not_after = date_time_ymd(2021, 1, 1);
    });
    let expired = Store::new(&expired, &authority.pem);
    let good = Store::new(&authority.sign(HERE), &authority.pem);
    let text = refusal(&expired.link(good.listen().await)).await;
    assert_says(&text, "this server's certificate");
    assert_says(&text, "has expired");
    let text = refusal(&good.link(expired.listen().await)).await;
    assert_says(&text, "its certificate has expired");
}

#[tokio::test]
async fn certificates_are_for_hosts() {
    let authority = Authority::new("ours");
    let here = || Store::new(&authority.sign(HERE), &authority.pem);
    let elsewhere = || Store::new(&authority.sign(ELSEWHERE), &authority.pem);
    // Who is called.
    let port = elsewhere().listen().await;
    let text = refusal(&here().link(port)).await;
    assert_says(&text, "not for its host in the server.N line");
    let careless = here().with(|tls| tls.checks_hosts = false);
    assert!(works(&careless.link(port)).await);
    // Not even then is everybody believed.
    let other = Authority::new("theirs");
    let foreign = Store::new(&other.sign(HERE), &authority.pem).listen().await;
    assert_says(
        &refusal(&careless.link(foreign)).await,
        "signed by nobody in",
    );
    // Who calls.
    let port = here().listen().await;
    let link = elsewhere().link(port);
    let Err(LinkError::Refused(text)) = link.call(ECHO, Bytes::new()).await else {
        panic!("it is refused with a reason")
    };
    assert_says(&text, "is for no host by name, and not for that address");
    let careless = here().with(|tls| tls.checks_callers = false);
    assert!(works(&elsewhere().link(careless.listen().await)).await);
    // By name, which is looked up.
    let by_name = Store::new(&authority.sign(&["localhost"]), &authority.pem);
    assert!(works(&by_name.link(port)).await);
    // By a name of many, which the lines say.
    let many = || Store::new(&authority.sign(&["*.example.invalid"]), &authority.pem);
    assert_says(&refusal(&many().link(port)).await, "is for no host by name");
}

#[tokio::test]
async fn a_link_without_tls_and_one_with_it_do_not_meet_and_say_so() {
    let authority = Authority::new("ours");
    let store = Store::new(&authority.sign(HERE), &authority.pem);
    let plain = linked(None, store.listen().await);
    assert_says(&refusal(&plain).await, "set sslQuorum=true here");
    let secured = store.link(listening(None).await);
    assert_says(
        &refusal(&secured).await,
        "hangs up when it is called with TLS",
    );
}

#[tokio::test]
async fn a_port_for_both_takes_both() {
    let authority = Authority::new("ours");
    let unified =
        || Store::new(&authority.sign(HERE), &authority.pem).with(|tls| tls.accepts_plain = true);
    let port = unified().listen().await;
    assert!(works(&linked(None, port)).await);
    assert!(works(&unified().link(port)).await);
    let calls_plainly = unified().with(|tls| tls.calls_with_tls = false);
    assert!(works(&calls_plainly.link(port)).await);
    // One that calls plainly itself is reached by those that speak TLS, before they change and after.
    assert!(works(&unified().link(calls_plainly.listen().await)).await);
    // A certificate that is shown must be right.
    let other = Authority::new("theirs");
    let foreign = Store::new(&other.sign(HERE), &authority.pem);
    assert_says(&refusal(&foreign.link(port)).await, "does not believe");
}

#[tokio::test]
async fn files_are_read_again_when_they_have_changed() {
    let (old, new) = (Authority::new("old"), Authority::new("new"));
    let store = Store::new(&old.sign(HERE), &old.pem);
    let port = store.listen().await;
    let of = |authority: &Authority| Store::new(&authority.sign(HERE), &authority.pem);
    let link = of(&old).link(port);
    assert!(works(&link).await);
    assert_says(&refusal(&of(&new).link(port)).await, "signed by nobody");

    // Half written: what was there stays in use.
    fs::write(&store.settings.key_store, "-----BEGIN PRIVATE KEY-----\n").unwrap();
    assert!(works(&of(&old).link(port)).await);
    store.write(&new.sign(HERE), &new.pem);
    assert!(works(&of(&new).link(port)).await);
    assert_says(&refusal(&of(&old).link(port)).await, "signed by nobody");
    assert!(works(&link).await, "a link that is there stays");
}

#[tokio::test]
async fn strangers_who_begin_a_handshake_are_cut_off_and_harm_nobody() {
    let authority = Authority::new("ours");
    let store = Store::new(&authority.sign(HERE), &authority.pem);
    let port = store.listen().await;
    let link = store.link(port);
    assert!(works(&link).await);
    let garbage: &[&[u8]] = &[
        &[0x16],
        &[0x16, 3, 1, 0, 4, 1, 2, 3, 4],
        &[0x16, 3, 3, 0xff, 0xff],
        &[0x16; 70_000],
        b"GET / HTTP/1.1\r\n\r\n",
        &[0; 64],
    ];
    for bytes in garbage {
        let mut stranger = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
        // It may be cut off before it is done.
        let _ = stranger.write_all(bytes).await;
        let _ = stranger.shutdown().await;
        let mut said = Vec::new();
        let _ = timeout(PATIENCE, stranger.read_to_end(&mut said))
            .await
            .expect("cut off");
        // No more than an alert of TLS, and to others nothing at all.
        assert!(
            said.is_empty() || said.len() == 7 && bytes[0] == 0x16,
            "{said:?}"
        );
        assert!(works(&store.link(port)).await);
    }
    // Those who do not go on stand in nobody's way.
    let mut silent = Vec::new();
    for _ in 0..100 {
        silent.push(TcpStream::connect(("127.0.0.1", port)).await.unwrap());
    }
    assert!(works(&store.link(port)).await);
    assert!(works(&link).await);
}

#[tokio::test]
async fn files_that_are_of_no_use_are_named_with_what_they_lack() {
    let authority = Authority::new("ours");
    let (own, other) = (authority.sign(HERE), authority.sign(HERE));
    let certificate_at = own.find("-----BEGIN CERTIFICATE").unwrap();
    let (key, certificate) = own.split_at(certificate_at);
    let other = &other[other.find("-----BEGIN CERTIFICATE").unwrap()..];
    let encrypted = key.replace("PRIVATE KEY", "ENCRYPTED PRIVATE KEY") + certificate;
    let error = |own: &[u8], trusted: &[u8]| {
        let store = Store::new("", "");
        fs::write(&store.settings.key_store, own).unwrap();
        fs::write(&store.settings.trust_store, trusted).unwrap();
        let error = store.load().expect_err("of no use").to_string();
        let name = |path: &Path| path.display().to_string();
        assert!(
            error.contains(&name(&store.settings.key_store))
                || error.contains(&name(&store.settings.trust_store)),
            "{error}"
        );
        error
    };
    let trusted = authority.pem.as_bytes();
    let jks = [0xfe, 0xed, 0xfe, 0xed, 0, 0, 0, 2];
    for (own, part) in [
        (&b""[..], "holds no"),
        (key.as_bytes(), "holds no certificate"),
        (certificate.as_bytes(), "holds no private key"),
        (format!("{key}{other}").as_bytes(), "do not belong together"),
        (encrypted.as_bytes(), "openssl pkey"),
        (&jks, "looks like a JKS file"),
        (b"\x30\x82\x01\x01", "looks like a PKCS12 file"),
        (b"-----BEGIN CERTIFICATE-----\n!\n", "is no PEM file"),
    ] {
        let error = error(own, trusted);
        assert!(
            error.starts_with("ssl.quorum.keyStore.location: "),
            "{error}"
        );
        assert_says(&error, part);
    }
    let error = error(own.as_bytes(), key.as_bytes());
    assert!(
        error.starts_with("ssl.quorum.trustStore.location: "),
        "{error}"
    );
    assert_says(&error, "holds no certificate");
    let store = Store::new(&own, &authority.pem);
    fs::remove_file(&store.settings.trust_store).unwrap();
    assert_says(
        &store.load().expect_err("missing").to_string(),
        "cannot read",
    );
}

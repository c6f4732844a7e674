//! Members that talk with TLS: from the first day, or switched over while clients write.

use std::fs;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpStream};

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use tempfile::TempDir;
use treekeeper_tests::process::Ensemble;
use treekeeper_tests::process::server::PATIENCE;

use super::{LONG, Numbers, assert_holds, connect, same_tree};

/// Writes between two events.
const BATCH: u64 = 30;
/// The member that is set up in another way than the rest.
const ODD: usize = 3;

/// Keys and certificates of all members, signed by one authority.
struct Certificates {
    folder: TempDir,
}

impl Certificates {
    fn of(ensemble: &Ensemble) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let write = |name: String, text: String| {
            fs::write(folder.path().join(name), text).expect("a file can be written");
        };
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().expect("a key");
        let own = params.self_signed(&key).expect("a certificate");
        write("trust.pem".to_owned(), own.pem());
        let authority = Issuer::new(params, key);
        for id in ensemble.ids() {
            let key = KeyPair::generate().expect("a key");
            let params = CertificateParams::new(["127.0.0.1".to_owned()]).expect("an address");
            let certificate = params.signed_by(&key, &authority).expect("a certificate");
            write(
                format!("member{id}.pem"),
                key.serialize_pem() + &certificate.pem(),
            );
        }
        Self { folder }
    }

    /// The lines of a member's zoo.cfg.
    fn lines(&self, id: usize, settings: &str) -> String {
        let folder = self.folder.path().display();
        format!(
            "{settings}\nssl.quorum.keyStore.location={folder}/member{id}.pem\n\
             ssl.quorum.trustStore.location={folder}/trust.pem\n"
        )
    }
}

/// Gives a member other settings.
fn configure(ensemble: &Ensemble, certificates: &Certificates, id: usize, settings: &str) {
    let lines = certificates.lines(id, settings) + ensemble.lines();
    ensemble.write_config(id, &lines);
}

/// The port of a member for the others.
fn quorum_port(ensemble: &Ensemble, id: usize) -> u16 {
    let start = format!("server.{id}=127.0.0.1:");
    let line = ensemble
        .lines()
        .lines()
        .find_map(|line| line.strip_prefix(&start));
    let port = line.and_then(|line| line.split(':').next());
    port.and_then(|port| port.parse().ok())
        .expect("a line names a port")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn members_with_certificates_form_and_go_on_without_their_leader() {
    let mut ensemble = Ensemble::prepare(3, 0);
    let certificates = Certificates::of(&ensemble);
    for id in ensemble.ids() {
        configure(&ensemble, &certificates, id, "sslQuorum=true");
        ensemble.start_member(id);
    }
    ensemble.settle();
    let client = connect(&ensemble.connect_string(), LONG).await;
    let mut numbers = Numbers::start(client.clone());
    numbers.advance(BATCH).await;
    let killed = ensemble.leader();
    let said = ensemble.kill(killed);
    assert!(
        !said.contains("ERROR") && !said.contains("panicked"),
        "{said}"
    );
    numbers.advance(BATCH).await;
    ensemble.start_member(killed);
    ensemble.settle();
    numbers.advance(BATCH).await;

    // Who has no certificate learns nothing.
    let address = (Ipv4Addr::LOCALHOST, quorum_port(&ensemble, killed));
    let mut stranger = TcpStream::connect(address).expect("the port is open");
    stranger
        .set_read_timeout(Some(PATIENCE))
        .expect("a time-out");
    stranger
        .write_all(b"GET / HTTP/1.1\r\n\r\n")
        .expect("it is sent");
    let mut said = Vec::new();
    // Closed, or reset as not everything was read.
    let _ = stranger.read_to_end(&mut said);
    assert!(said.is_empty(), "{said:?}");
    let refused = ensemble
        .server(killed)
        .line_within("it does not speak TLS", PATIENCE);
    assert!(refused.is_some());

    let acknowledged = numbers.finish().await;
    assert_holds(&same_tree(&ensemble).await, &acknowledged);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_ensemble_is_switched_to_tls_while_clients_write() {
    let mut ensemble = Ensemble::start(3);
    let certificates = Certificates::of(&ensemble);
    let client = connect(&ensemble.connect_string(), LONG).await;
    let session = client.session().id;
    let mut numbers = Numbers::start(client.clone());
    numbers.advance(BATCH).await;
    for settings in [
        "sslQuorum=false\nportUnification=true",
        "sslQuorum=true\nportUnification=true",
        "sslQuorum=true\nportUnification=false",
    ] {
        for id in ensemble.ids() {
            configure(&ensemble, &certificates, id, settings);
            ensemble.stop(id);
            ensemble.start_member(id);
            ensemble.settle();
            numbers.advance(BATCH).await;
        }
    }
    assert_eq!(client.session().id, session);

    // Whoever was forgotten is told, and the others too.
    ensemble.write_config(ODD, ensemble.lines());
    ensemble.stop(ODD);
    ensemble.start_member(ODD);
    let told = ensemble
        .server(ODD)
        .line_within("set sslQuorum=true here", PATIENCE);
    assert!(told.is_some(), "{}", ensemble.server(ODD).stderr());
    let other = ensemble.others(ODD)[0];
    let told = ensemble
        .server(other)
        .line_within("it does not speak TLS", PATIENCE);
    assert!(told.is_some(), "{}", ensemble.server(other).stderr());
    numbers.advance(BATCH).await;
    configure(&ensemble, &certificates, ODD, "sslQuorum=true");
    ensemble.discard(ODD);
    ensemble.start_member(ODD);
    ensemble.settle();
    let acknowledged = numbers.finish().await;
    assert_holds(&same_tree(&ensemble).await, &acknowledged);
}

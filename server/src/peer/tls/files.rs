//! The files with key and certificates, and what TLS makes of them.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use thiserror::Error;
use tokio_rustls::rustls::client::Resumption;
use tokio_rustls::rustls::crypto::{CryptoProvider, ring};
use tokio_rustls::rustls::pki_types::pem::{self, PemObject};
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, UnixTime};
use tokio_rustls::rustls::server::danger::ClientCertVerifier;
use tokio_rustls::rustls::server::{NoServerSessionStorage, WebPkiClientVerifier};
use tokio_rustls::rustls::version::{TLS12, TLS13};
use tokio_rustls::rustls::{
    self, ClientConfig, RootCertStore, ServerConfig, SupportedProtocolVersion,
};

use super::explain;
use super::verify::{AnyHost, verify_chain};
use crate::config::{ClientAuth, PeerTls, TlsVersions};

/// Bytes of a file with certificates.
const FILE_BYTES_MAX: u64 = 4 << 20;
/// How long before its end a certificate is warned of.
const ENDS_SOON: Duration = Duration::from_secs(14 * 24 * 3600);

/// Why TLS between members cannot be had.
#[derive(Debug, Error)]
pub enum TlsError {
    /// A file cannot be read.
    #[error("{key}: cannot read {}: {source}", path.display())]
    Unreadable {
        /// The setting that names it.
        key: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// A file does not hold what it should.
    #[error("{key}: {} {problem}", path.display())]
    Content {
        /// The setting that names it.
        key: &'static str,
        /// The file.
        path: PathBuf,
        /// What is wrong, and what to do.
        problem: String,
    },
}

/// The settings that name the files.
const KEY_STORE: &str = "ssl.quorum.keyStore.location";
const TRUST_STORE: &str = "ssl.quorum.trustStore.location";

/// What both ends of a handshake need.
#[derive(Clone)]
pub(super) struct Loaded {
    pub(super) calling: Arc<ClientConfig>,
    pub(super) answering: Arc<ServerConfig>,
}

/// Tells whether the files have changed.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Stamp([Option<FileStamp>; 2]);

/// Device, inode, length, times of the last change of content and of anything: seconds and nanoseconds.
type FileStamp = (u64, u64, u64, [i64; 4]);

impl Stamp {
    /// Taken before the files are read: what changes meanwhile makes them be read once more.
    pub(super) fn of(settings: &PeerTls) -> Self {
        Self([&settings.key_store, &settings.trust_store].map(|path| {
            let file = fs::metadata(path).ok()?;
            let times = [
                file.mtime(),
                file.mtime_nsec(),
                file.ctime(),
                file.ctime_nsec(),
            ];
            Some((file.dev(), file.ino(), file.size(), times))
        }))
    }
}

/// This member's key, and its certificates, its own first.
struct Own {
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
}

impl Loaded {
    /// Reads both files.
    ///
    /// # Errors
    /// [`TlsError`].
    pub(super) fn read(settings: &PeerTls) -> Result<Self, TlsError> {
        let provider = Arc::new(ring::default_provider());
        let Own { chain, key } = own(&settings.key_store)?;
        let roots = Arc::new(roots(&settings.trust_store)?);
        let callers =
            WebPkiClientVerifier::builder_with_provider(Arc::clone(&roots), Arc::clone(&provider));
        let callers = match settings.client_auth {
            ClientAuth::Need | ClientAuth::None => callers,
            ClientAuth::Want => callers.allow_unauthenticated(),
        };
        let callers = callers
            .build()
            .map_err(|error| content(TRUST_STORE, &settings.trust_store, error.to_string()))?;
        warn_of_own(&chain, &roots, &*callers, &provider, settings);
        let callers = match settings.client_auth {
            ClientAuth::None => WebPkiClientVerifier::no_client_auth(),
            ClientAuth::Need | ClientAuth::Want => callers,
        };
        let failed = |error: rustls::Error| {
            content(KEY_STORE, &settings.key_store, explain::own_key(&error))
        };

        let mut answering = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_protocol_versions(versions(settings.versions))
            .map_err(failed)?
            .with_client_cert_verifier(callers)
            .with_single_cert(chain.clone(), key.clone_key())
            .map_err(failed)?;
        // A resumed session would not look at the certificates again.
        answering.session_storage = Arc::new(NoServerSessionStorage {});
        answering.send_tls13_tickets = 0;

        let calling = ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_protocol_versions(versions(settings.versions))
            .map_err(failed)?;
        let calling = if settings.checks_hosts {
            calling.with_root_certificates(roots)
        } else {
            calling
                .dangerous()
                .with_custom_certificate_verifier(Arc::new(AnyHost::new(roots, &provider)))
        };
        let mut calling = calling.with_client_auth_cert(chain, key).map_err(failed)?;
        calling.resumption = Resumption::disabled();
        Ok(Self {
            calling: Arc::new(calling),
            answering: Arc::new(answering),
        })
    }
}

fn versions(versions: TlsVersions) -> &'static [&'static SupportedProtocolVersion] {
    static BOTH: [&SupportedProtocolVersion; 2] = [&TLS13, &TLS12];
    match versions {
        TlsVersions::All => &BOTH,
        TlsVersions::Only13 => &BOTH[..1],
        TlsVersions::Only12 => &BOTH[1..],
    }
}

fn content(key: &'static str, path: &Path, problem: impl Into<String>) -> TlsError {
    TlsError::Content {
        key,
        path: path.to_owned(),
        problem: problem.into(),
    }
}

fn read(key: &'static str, path: &Path) -> Result<Vec<u8>, TlsError> {
    let bytes = fs::metadata(path).and_then(|file| {
        if file.len() > FILE_BYTES_MAX {
            return Err(io::Error::other(format!(
                "it has more than {FILE_BYTES_MAX} bytes"
            )));
        }
        fs::read(path)
    });
    bytes.map_err(|source| TlsError::Unreadable {
        key,
        path: path.to_owned(),
        source,
    })
}

/// Reads the file with this member's key and certificates.
fn own(path: &Path) -> Result<Own, TlsError> {
    let bytes = read(KEY_STORE, path)?;
    let chain = certificates(KEY_STORE, path, &bytes)?;
    if is_encrypted(&bytes) {
        let problem = "holds a key with a password, which is not supported: take the password off with \
                       \"openssl pkey -in key.pem -out plain.pem\", and let nobody but the server read the file";
        return Err(content(KEY_STORE, path, problem));
    }
    let key = PrivateKeyDer::from_pem_slice(&bytes).map_err(|error| match error {
        pem::Error::NoItemsFound => content(
            KEY_STORE,
            path,
            "holds no private key: put the key (\"-----BEGIN PRIVATE KEY-----\") into the same file as the certificate",
        ),
        error => content(KEY_STORE, path, not_pem(&error)),
    })?;
    if chain.is_empty() {
        let problem = "holds no certificate: put the server's certificate, and those between it and its authority, into \
                       the same file as the key";
        return Err(content(KEY_STORE, path, problem));
    }
    Ok(Own { chain, key })
}

/// Reads the file with the certificates of authorities.
fn roots(path: &Path) -> Result<RootCertStore, TlsError> {
    let bytes = read(TRUST_STORE, path)?;
    let mut roots = RootCertStore::empty();
    for certificate in certificates(TRUST_STORE, path, &bytes)? {
        roots.add(certificate).map_err(|error| {
            let problem = format!("holds a certificate that cannot be read: {error}");
            content(TRUST_STORE, path, problem)
        })?;
    }
    if roots.is_empty() {
        let problem = "holds no certificate: put those of the authorities that sign the servers' certificates there";
        return Err(content(TRUST_STORE, path, problem));
    }
    Ok(roots)
}

fn certificates(
    key: &'static str,
    path: &Path,
    bytes: &[u8],
) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let is_java = bytes.starts_with(&[0xfe, 0xed, 0xfe, 0xed]);
    if is_java || bytes.first() == Some(&0x30) {
        let kind = if is_java { "JKS" } else { "PKCS12" };
        return Err(content(
            key,
            path,
            format!(
                "looks like a {kind} file, and PEM is wanted: set {} to {kind} to be told how to convert it",
                key.replace("location", "type")
            ),
        ));
    }
    CertificateDer::pem_slice_iter(bytes)
        .collect::<Result<_, _>>()
        .map_err(|error| content(key, path, not_pem(&error)))
}

fn not_pem(error: &pem::Error) -> String {
    format!("is no PEM file: {error}")
}

/// Is there a key that only a password opens, in today's form or in that of old OpenSSL?
fn is_encrypted(bytes: &[u8]) -> bool {
    let text = String::from_utf8_lossy(bytes);
    text.contains("BEGIN ENCRYPTED PRIVATE KEY") || text.contains("Proc-Type: 4,ENCRYPTED")
}

/// Says what the others will not like, before they do.
fn warn_of_own(
    chain: &[CertificateDer<'static>],
    roots: &RootCertStore,
    callers: &dyn ClientCertVerifier,
    provider: &CryptoProvider,
    settings: &PeerTls,
) {
    let Some((own, between)) = chain.split_first() else {
        return;
    };
    let file = settings.key_store.display();
    let check = |now| {
        verify_chain(own, between, roots, now, provider)?;
        callers.verify_client_cert(own, between, now).map(drop)
    };
    let now = UnixTime::now();
    let soon = UnixTime::since_unix_epoch(Duration::from_secs(now.as_secs()) + ENDS_SOON);
    if let Err(error) = check(now) {
        let error = explain::of_certificate(&error, settings);
        tracing::warn!(%file, error, "the other members will not believe this server's certificate");
    } else if check(soon).is_err() {
        tracing::warn!(%file, "this server's certificate ends within 14 days: renew it");
    }
}

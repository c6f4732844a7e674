//! TLS between the members: the files with keys and certificates, and who must have them.

use super::error::ConfigError;
use super::membership;
use super::notice::Notice;
use super::settings::Settings;
use std::path::{Path, PathBuf};

/// How the members of an ensemble prove to each other who they are. Local to this server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeerTls {
    /// `sslQuorum`: whether this member calls the others with TLS.
    pub calls_with_tls: bool,
    /// `portUnification`: whether callers without TLS are taken, too.
    pub accepts_plain: bool,
    /// `ssl.quorum.keyStore.location`: a PEM file with this member's key and its certificates, its own first.
    pub key_store: PathBuf,
    /// `ssl.quorum.trustStore.location`: a PEM file with the certificates of the authorities that are believed.
    pub trust_store: PathBuf,
    /// `ssl.quorum.clientAuth`: whether callers must have a certificate.
    pub client_auth: ClientAuth,
    /// `ssl.quorum.hostnameVerification`: whether the certificate of a member that is called must be for its host.
    pub checks_hosts: bool,
    /// `ssl.quorum.clientHostnameVerification`: whether that of a caller must be for the address it calls from.
    pub checks_callers: bool,
    /// `ssl.quorum.enabledProtocols` or `ssl.quorum.protocol`: the versions that are spoken.
    pub versions: TlsVersions,
}

/// Whether callers must have a certificate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ClientAuth {
    /// They must.
    #[default]
    Need,
    /// One that they have must be right.
    Want,
    /// They are not asked.
    None,
}

/// Versions of TLS.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TlsVersions {
    /// 1.3, and 1.2 with whoever does not know it.
    #[default]
    All,
    /// 1.2 alone.
    Only12,
    /// 1.3 alone.
    Only13,
}

/// What the beginnings of two keys and the rest of the messages about them say.
struct Store {
    location: &'static str,
    kind: &'static str,
    missing: &'static str,
    /// What `openssl pkcs12` must be told so that it writes what is wanted.
    convert: &'static str,
    pem: &'static str,
}

const KEY_STORE: Store = Store {
    location: "ssl.quorum.keyStore.location",
    kind: "ssl.quorum.keyStore.type",
    missing: "TLS between servers (sslQuorum, portUnification) needs this server's key and certificate; give a PEM file with \
              both",
    convert: "-nodes",
    pem: "server.pem",
};

const TRUST_STORE: Store = Store {
    location: "ssl.quorum.trustStore.location",
    kind: "ssl.quorum.trustStore.type",
    missing: "TLS between servers (sslQuorum, portUnification) needs the certificates of those who sign the servers' \
              certificates; give a PEM file with them",
    convert: "-nokeys",
    pem: "trust.pem",
};

impl PeerTls {
    /// None when the members talk without TLS, or there is but one.
    pub(super) fn read(
        settings: &Settings,
        notices: &mut Vec<Notice>,
    ) -> Result<Option<Self>, ConfigError> {
        if !membership::is_ensemble(settings) {
            return Ok(None);
        }
        let calls_with_tls = settings.flag("sslQuorum", false)?;
        let accepts_plain = settings.flag("portUnification", false)?;
        let client_auth = settings.parsed(
            "ssl.quorum.clientAuth",
            "need, want or none",
            |value| match value.to_ascii_lowercase().as_str() {
                "need" => Some(ClientAuth::Need),
                "want" => Some(ClientAuth::Want),
                "none" => Some(ClientAuth::None),
                _ => None,
            },
        )?;
        let client_auth = client_auth.unwrap_or_default();
        let checks_hosts = settings.flag("ssl.quorum.hostnameVerification", true)?;
        let checks_callers = settings.flag("ssl.quorum.clientHostnameVerification", true)?;
        let versions = versions(settings)?;
        let key_store = location(settings, &KEY_STORE)?;
        let trust_store = location(settings, &TRUST_STORE)?;
        if !calls_with_tls && !accepts_plain {
            if let Some(setting) = settings.get(KEY_STORE.location) {
                let text = format!(
                    "{} is not used: TLS between servers takes sslQuorum=true, or portUnification=true",
                    KEY_STORE.location
                );
                notices.push(Notice::warning(&setting.origin, text));
            }
            return Ok(None);
        }
        let missing = |store: &Store| ConfigError::Missing {
            key: store.location,
            remedy: store.missing,
        };
        let tls = Self {
            calls_with_tls,
            accepts_plain,
            key_store: key_store.ok_or_else(|| missing(&KEY_STORE))?,
            trust_store: trust_store.ok_or_else(|| missing(&TRUST_STORE))?,
            client_auth,
            checks_hosts,
            // As in ZooKeeper: whoever does not look at the hosts it calls does not look at the callers' either.
            checks_callers: checks_hosts && checks_callers,
            versions,
        };
        warn_of_strangers(settings, &tls, notices);
        Ok(Some(tls))
    }
}

/// What lets somebody without a certificate take part is worth a line at each start.
fn warn_of_strangers(settings: &Settings, tls: &PeerTls, notices: &mut Vec<Notice>) {
    if let Some(setting) = settings
        .get("portUnification")
        .filter(|_| tls.accepts_plain)
    {
        let text = "portUnification=true lets everybody who reaches the port of the servers take part without a \
                    certificate: set it to false once all of them have sslQuorum=true";
        notices.push(Notice::warning(&setting.origin, text.to_owned()));
    }
    if let Some(setting) = settings.get("ssl.quorum.clientAuth")
        && tls.client_auth != ClientAuth::Need
    {
        let text = format!(
            "ssl.quorum.clientAuth={} lets everybody who reaches the port of the servers take part without a certificate",
            setting.value
        );
        notices.push(Notice::warning(&setting.origin, text));
    }
}

/// The versions that both keys leave: the list goes before the single one, as in ZooKeeper.
fn versions(settings: &Settings) -> Result<TlsVersions, ConfigError> {
    let version = |name: &str| match name.trim().to_ascii_lowercase().as_str() {
        "tlsv1.2" => Some(TlsVersions::Only12),
        "tlsv1.3" => Some(TlsVersions::Only13),
        _ => None,
    };
    let single = settings.parsed("ssl.quorum.protocol", "TLSv1.2 or TLSv1.3", version)?;
    let list = settings.parsed(
        "ssl.quorum.enabledProtocols",
        "TLSv1.2, TLSv1.3, or both with a comma between them",
        |value| {
            let all: Option<Vec<_>> = value.split(',').map(version).collect();
            let all = all?;
            let first = *all.first()?;
            let same = all.iter().all(|version| *version == first);
            Some(if same { first } else { TlsVersions::All })
        },
    )?;
    Ok(list.or(single).unwrap_or_default())
}

/// Where a store is.
///
/// # Errors
/// When it is one of Java's own formats.
fn location(settings: &Settings, store: &Store) -> Result<Option<PathBuf>, ConfigError> {
    let kind = settings.parsed(store.kind, "PEM, JKS, PKCS12 or BCFKS", |value| {
        let kind = value.to_ascii_uppercase();
        ["PEM", "JKS", "PKCS12", "BCFKS"]
            .contains(&kind.as_str())
            .then_some(kind)
    })?;
    let path = settings.parsed(store.location, "a file", |path| Some(PathBuf::from(path)))?;
    let (Some(path), Some(setting)) = (path, settings.get(store.location)) else {
        return Ok(None);
    };
    // Without a type the file's name says it. What says nothing is taken for PEM; its content shows.
    let kind = kind.unwrap_or_else(|| kind_of(&path).to_owned());
    if kind == "PEM" {
        return Ok(Some(path));
    }
    let shown = path.display();
    let to_pkcs12 = format!(
        "keytool -importkeystore -srckeystore {shown} -srcstoretype {kind} -destkeystore store.p12 -deststoretype PKCS12 && "
    );
    let (first, source) = match kind.as_str() {
        "PKCS12" => (String::new(), shown.to_string()),
        _ => (to_pkcs12, "store.p12".to_owned()),
    };
    Err(ConfigError::Conflict {
        origin: setting.origin.clone(),
        problem: format!(
            "{}={shown} is a {kind} file, and treekeeper reads keys and certificates from PEM files: convert it with \
             \"{first}openssl pkcs12 -in {source} {} -out {}\", and give that file",
            store.location, store.convert, store.pem
        ),
    })
}

fn kind_of(path: &Path) -> &'static str {
    let extension = path.extension().and_then(|extension| extension.to_str());
    match extension.map(str::to_ascii_lowercase).as_deref() {
        Some("jks") => "JKS",
        Some("p12" | "pfx" | "pkcs12") => "PKCS12",
        Some("bcfks") => "BCFKS",
        _ => "PEM",
    }
}

//! Whether a caller's certificate is for the host that it calls from.
//!
//! ZooKeeper compares the address, and then the name that a reverse look-up of the address gives, which in many networks
//! is another one each time, or none. Here the address is compared, and then the addresses of the names that the
//! certificate is for: a forward look-up, as for any connection to such a name.

use std::net::IpAddr;
use std::time::Duration;

use tokio::net::lookup_host;
use tokio::time::timeout;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use webpki::EndEntityCert;

/// How long all look-ups together may take: less than the caller waits for its welcome.
const LOOK_UP_TIMEOUT: Duration = Duration::from_millis(500);
/// Names of one certificate that are looked up.
const NAMES_MAX: usize = 16;
/// Names that a refusal shows: it must fit into a greeting.
const NAMES_SHOWN: usize = 4;

/// What a certificate is for.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Candidates {
    /// The very address.
    Address,
    /// These names.
    Names(Vec<String>),
}

/// The names that may be those of the address. `hosts` are names that are known anyway: a certificate for `*.example.com`
/// does not say which hosts there are.
///
/// # Errors
/// When it cannot be read.
pub(super) fn candidates(
    certificate: &CertificateDer<'_>,
    address: IpAddr,
    hosts: &[String],
) -> Result<Candidates, String> {
    let certificate = EndEntityCert::try_from(certificate)
        .map_err(|error| format!("the caller's certificate cannot be read: {error}"))?;
    let is_for = |name: &ServerName<'_>| certificate.verify_is_valid_for_subject_name(name).is_ok();
    if is_for(&ServerName::from(address)) {
        return Ok(Candidates::Address);
    }
    let own = certificate.valid_dns_names();
    let own = own.filter(|name| !name.contains('*')).map(str::to_owned);
    let known = hosts.iter().filter(|host| {
        matches!(ServerName::try_from(host.as_str()), Ok(name @ ServerName::DnsName(_)) if is_for(&name))
    });
    let mut names = Vec::new();
    for name in known.cloned().chain(own) {
        if names.len() < NAMES_MAX && !names.contains(&name) {
            names.push(name);
        }
    }
    Ok(Candidates::Names(names))
}

/// Is one of the names that of the address?
///
/// # Errors
/// Why not, and what to do.
pub(super) async fn check(candidates: Candidates, address: IpAddr) -> Result<(), String> {
    let Candidates::Names(names) = candidates else {
        return Ok(());
    };
    let found = async {
        for name in &names {
            // A name that cannot be looked up is not that of the address.
            let Ok(mut addresses) = lookup_host((name.as_str(), 0)).await else {
                continue;
            };
            if addresses.any(|found| found.ip().to_canonical() == address) {
                return true;
            }
        }
        false
    };
    if timeout(LOOK_UP_TIMEOUT, found).await.unwrap_or(false) {
        return Ok(());
    }
    let shown = names.iter().take(NAMES_SHOWN).cloned();
    let shown = shown.collect::<Vec<_>>().join(", ");
    let is_for = match names.len() {
        0 => "no host by name".to_owned(),
        1..=NAMES_SHOWN => shown,
        _ => format!("{shown}, …"),
    };
    Err(format!(
        "the certificate of the caller at {address} is for {is_for}, and not for that address: give it one with that \
         address or its name among the subjectAltNames, or set ssl.quorum.clientHostnameVerification=false"
    ))
}

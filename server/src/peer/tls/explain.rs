//! What a failed handshake means, and what to do about it.

use std::io;

use tokio_rustls::rustls::{AlertDescription, CertificateError, Error};

use crate::config::PeerTls;

/// The text of an error of a link, in which rustls may have a part.
pub(super) fn failed(error: io::Error, settings: &PeerTls) -> io::Error {
    let inner = error
        .get_ref()
        .and_then(|inner| inner.downcast_ref::<Error>());
    match inner {
        Some(inner) => io::Error::other(of(inner, settings)),
        None => error,
    }
}

/// The same for a handshake that this member began.
pub(super) fn failed_call(error: io::Error, settings: &PeerTls) -> io::Error {
    use io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, UnexpectedEof};
    let is_hung_up = matches!(
        error.kind(),
        BrokenPipe | ConnectionAborted | ConnectionReset | UnexpectedEof
    );
    if is_hung_up && error.get_ref().is_none_or(|inner| !inner.is::<Error>()) {
        return io::Error::other(
            "it hangs up when it is called with TLS: it does not speak it, or stops; set sslQuorum=true on it, or \
             portUnification=true to switch over first",
        );
    }
    failed(error, settings)
}

fn of(error: &Error, settings: &PeerTls) -> String {
    let (own, trusted) = (settings.key_store.display(), settings.trust_store.display());
    match error {
        Error::InvalidCertificate(_) => of_certificate(error, settings),
        Error::NoCertificatesPresented => {
            "it presented no certificate: set ssl.quorum.keyStore.location on it".to_owned()
        }
        Error::AlertReceived(alert) => match alert {
            AlertDescription::UnknownCA => format!(
                "it does not believe who signed this server's certificate in {own}: put that authority's certificate into its \
                 ssl.quorum.trustStore.location"
            ),
            AlertDescription::CertificateExpired => format!(
                "to it this server's certificate in {own} has expired, or is not valid yet: renew it, or correct the clocks"
            ),
            AlertDescription::CertificateRequired => {
                format!("it wants a certificate of this server, and {own} gave it none that it takes")
            }
            AlertDescription::BadCertificate
            | AlertDescription::UnsupportedCertificate
            | AlertDescription::CertificateUnknown
            | AlertDescription::CertificateRevoked
            | AlertDescription::AccessDenied
            | AlertDescription::DecryptError => {
                format!("it refuses this server's certificate in {own} ({alert:?}): its own log says why")
            }
            AlertDescription::ProtocolVersion => {
                "it speaks no version of TLS that this server speaks: compare ssl.quorum.enabledProtocols".to_owned()
            }
            AlertDescription::HandshakeFailure => {
                "it speaks no cipher suite of TLS that this server speaks: compare ssl.quorum.enabledProtocols".to_owned()
            }
            alert => format!("it ended TLS with {alert:?}"),
        },
        Error::PeerIncompatible(why) => format!(
            "it speaks another TLS than this server ({why:?}): compare ssl.quorum.enabledProtocols"
        ),
        Error::InvalidMessage(why) => {
            format!("what it says is no TLS ({why:?}): is that the port of another server?")
        }
        error => format!("TLS failed: {error} (certificates believed: {trusted})"),
    }
}

/// Why a certificate is not believed.
pub(super) fn of_certificate(error: &Error, settings: &PeerTls) -> String {
    let trusted = settings.trust_store.display();
    let Error::InvalidCertificate(why) = error else {
        return format!("its certificate cannot be checked: {error}");
    };
    match why {
        CertificateError::UnknownIssuer | CertificateError::BadSignature => format!(
            "its certificate is signed by nobody in {trusted}: put the certificate of whoever signed it there, or give it one \
             of an authority that is there"
        ),
        // rustls tells the time of day, too, with which each try would be news.
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            "its certificate has expired: renew it, or correct the clocks".to_owned()
        }
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            "its certificate is not valid yet: are the clocks right?".to_owned()
        }
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => format!(
            "its certificate is not for its host in the server.N line ({why}): give it one with that host among the \
             subjectAltNames (the common name does not count), or set ssl.quorum.hostnameVerification=false"
        ),
        CertificateError::InvalidPurpose | CertificateError::InvalidPurposeContext { .. } => format!(
            "its certificate is not for this use ({why}): with an extendedKeyUsage it must have both serverAuth and clientAuth"
        ),
        CertificateError::Other(other)
            if matches!(
                other.0.downcast_ref::<webpki::Error>(),
                Some(webpki::Error::CaUsedAsEndEntity)
            ) =>
        {
            "its certificate is that of an authority (basicConstraints CA:TRUE, which \"openssl req -x509\" makes): give it one \
             that an authority has signed, or a self-signed one with \"-addext basicConstraints=critical,CA:FALSE\""
                .to_owned()
        }
        why => format!("its certificate is not right: {why}"),
    }
}

/// What is wrong with this member's own key and certificates.
pub(super) fn own_key(error: &Error) -> String {
    match error {
        Error::InconsistentKeys(_) => {
            "holds a key and a certificate that do not belong together: the server's own certificate must be the first, and \
             the key must be its"
                .to_owned()
        }
        error => format!("holds a key or certificates that are of no use: {error}"),
    }
}

//! A connection to another member, with TLS or without.
//!
//! What runs over it is made for each of the two: a link without TLS is no slower than if there were none.

use tokio::net::TcpStream;
use tokio_rustls::TlsStream;

/// A connection.
pub(super) enum Stream {
    /// As it is.
    Plain(TcpStream),
    /// With TLS over it, both ends of which are known.
    Tls(Box<TlsStream<TcpStream>>),
}

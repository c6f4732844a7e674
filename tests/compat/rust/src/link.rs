//! A client's network: a TCP forwarder to the server that can be cut and mended.
//!
//! In: connections. Out: connections to `TK_CONNECT`. Not here: the server's own end (`control`).

use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use crate::control::connect_address;
use crate::harness::Failure;

/// A forwarder on a port of its own; it ends when it is dropped.
pub struct Link {
    /// Where clients connect.
    pub address: String,
    is_cut: watch::Sender<bool>,
}

impl Link {
    /// A link that is in order.
    pub async fn open() -> Result<Link, Failure> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?.to_string();
        let (is_cut, watched) = watch::channel(false);
        tokio::spawn(async move {
            let mut ended = watched.clone();
            loop {
                tokio::select! {
                    accepted = listener.accept() => {
                        let Ok((near, _)) = accepted else { return };
                        tokio::spawn(forward(near, watched.clone()));
                    }
                    Err(_) = async { ended.wait_for(|_| false).await.map(drop) } => return,
                }
            }
        });
        Ok(Link { address, is_cut })
    }

    /// Closes every connection and refuses new ones until [`Link::mend`].
    pub fn cut(&self) {
        self.is_cut.send_replace(true);
    }

    /// Lets connections through again.
    pub fn mend(&self) {
        self.is_cut.send_replace(false);
    }
}

/// Forwards until one side closes, the link is cut, or it is dropped.
async fn forward(mut near: TcpStream, mut is_cut: watch::Receiver<bool>) {
    if *is_cut.borrow() {
        return;
    }
    let Ok(mut far) = TcpStream::connect(connect_address()).await else {
        return;
    };
    tokio::select! {
        _ = copy_bidirectional(&mut near, &mut far) => {}
        _ = is_cut.wait_for(|cut| *cut) => {}
    }
}

//! The zoo.cfg that every suite's server runs with.
//!
//! In: which server, where it keeps its data, its ports. Out: the file's text. Not here: starting it (`server`).

use std::fmt::Write as _;
use std::path::Path;

/// Milliseconds between two looks at empty containers; short, so that a case need not wait a minute.
pub const CONTAINER_CHECK_INTERVAL_MS: u32 = 500;

/// The ports of one server.
#[derive(Clone, Copy, Debug)]
pub struct Ports {
    /// Where clients connect.
    pub client: u16,
    /// Where the `AdminServer` answers HTTP.
    pub admin: u16,
}

/// What both servers understand. The super user is `super:secret`.
pub fn zoo_cfg(data_dir: &Path, ports: Ports) -> String {
    let mut text = String::new();
    let Ports { client, admin } = ports;
    // Half a second a tick: the shortest session is then one second, and an expiry takes one to two.
    write!(
        text,
        "tickTime=500\n\
         maxSessionTimeout=60000\n\
         dataDir={}\n\
         clientPort={client}\n\
         clientPortAddress=127.0.0.1\n\
         admin.serverAddress=127.0.0.1\n\
         admin.serverPort={admin}\n\
         maxClientCnxns=0\n\
         4lw.commands.whitelist=*\n\
         extendedTypesEnabled=true\n\
         enforceQuota=true\n\
         DigestAuthenticationProvider.superDigest=super:lK75jTNcA+U9vtVEw5vB51mj/w4=\n",
        data_dir.display()
    )
    .expect("writing to a String cannot fail");
    text
}

//! The servers that are compared: how each is started on a fresh data folder, killed and started again.
//!
//! In: a product and a folder. Out: a running server that answers. Not here: what is measured on it.

pub mod ensemble;
pub mod memory_group;
pub mod products;
pub mod status;

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal};

use crate::load::client::Client;
use crate::load::{LoadError, Target};
use crate::server::products::Product;

/// A server that has not opened a session after this time has failed. ZooKeeper needs a minute for 10 M znodes.
const START_WITHIN: Duration = Duration::from_secs(600);
/// How long to wait before trying again to reach a server that starts: far below any start that is measured.
const RETRY_AFTER: Duration = Duration::from_millis(1);
/// The first patience with a session that is not answered; it doubles with each try. A ZooKeeper that starts may accept a
/// connection and forget it, and a client that waited for it would measure its own patience.
const FIRST_PATIENCE: Duration = Duration::from_millis(50);
/// How much of a failed server's output is shown.
const OUTPUT_SHOWN_BYTES: usize = 2000;

/// The processes that run now, so that an interrupted bench leaves none behind.
static RUNNING: Mutex<BTreeSet<u32>> = Mutex::new(BTreeSet::new());

/// Kills every server that runs: for a bench that is interrupted.
pub fn kill_all() {
    for &pid in &*running() {
        if let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw) {
            // It may have ended by itself.
            let _ = rustix::process::kill_process(pid, Signal::KILL);
        }
    }
}

fn running() -> MutexGuard<'static, BTreeSet<u32>> {
    RUNNING.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Why a server does not run.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    /// The folder, a port or the program could not be used.
    #[error("cannot start {product}: {source}")]
    Io {
        /// Which server.
        product: String,
        /// What failed.
        source: io::Error,
    },
    /// It ended, or did not answer in time.
    #[error("{product} does not serve; the end of its output:\n{output}")]
    NotServing {
        /// Which server.
        product: String,
        /// Its last lines.
        output: String,
    },
}

/// A server process with its data folder; both are gone when this is dropped.
#[derive(Debug)]
pub struct Server {
    product: Product,
    folder: PathBuf,
    address: SocketAddr,
    device: u64,
    child: Child,
}

impl Server {
    /// Starts `product` with its configuration, data and output in `folder`, which is emptied first. Returns when it serves.
    ///
    /// # Errors
    /// When it cannot be started, ends, or serves nobody within ten minutes.
    pub fn start(product: &Product, folder: &Path) -> Result<Self, ServerError> {
        let failed = |source| ServerError::Io {
            product: product.name().to_owned(),
            source,
        };
        let address = free_address().map_err(failed)?;
        let admin = free_address().map_err(failed)?;
        let zoo_cfg = product.zoo_cfg(&folder.join("data"), address, admin);
        let mut server = Self::launch(product, folder, address, &zoo_cfg, None).map_err(failed)?;
        server
            .wait_until_serving()?
            .close()
            .map_err(|error| failed(io::Error::other(error)))?;
        Ok(server)
    }

    /// Starts it with the configuration `zoo_cfg`, as the member `my_id` of an ensemble if there is one, in `folder`,
    /// which is emptied first. Returns as soon as the process runs, before it serves.
    fn launch(
        product: &Product,
        folder: &Path,
        address: SocketAddr,
        zoo_cfg: &str,
        my_id: Option<usize>,
    ) -> io::Result<Self> {
        if folder.exists() {
            fs::remove_dir_all(folder)?;
        }
        fs::create_dir_all(folder.join("data"))?;
        fs::write(folder.join("zoo.cfg"), zoo_cfg)?;
        if let Some(id) = my_id {
            fs::write(folder.join("data").join("myid"), format!("{id}\n"))?;
        }
        Ok(Self {
            product: product.clone(),
            folder: folder.to_owned(),
            address,
            device: fs::metadata(folder)?.dev(),
            child: spawn(product, folder, address)?,
        })
    }

    /// Which product it is.
    pub fn product(&self) -> &Product {
        &self.product
    }

    /// Where it listens and which process it is.
    pub fn target(&self) -> Target {
        Target {
            address: self.address,
            pid: self.child.id(),
            device: self.device,
        }
    }

    /// Kills the process (SIGKILL) and waits until it is gone.
    ///
    /// # Errors
    /// When the operating system refuses.
    pub fn kill(&mut self) -> io::Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        running().remove(&self.child.id());
        Ok(())
    }

    /// Sends it `signal` and returns at once; see [`Server::has_ended`].
    ///
    /// # Errors
    /// When the operating system refuses.
    pub fn signal(&self, signal: Signal) -> io::Result<()> {
        let pid = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw);
        let pid = pid.ok_or_else(|| io::Error::other("a process id is a positive number"))?;
        Ok(rustix::process::kill_process(pid, signal)?)
    }

    /// Whether the process is gone.
    ///
    /// # Errors
    /// When the operating system does not tell.
    pub fn has_ended(&mut self) -> io::Result<bool> {
        let ended = self.child.try_wait()?.is_some();
        if ended {
            running().remove(&self.child.id());
        }
        Ok(ended)
    }

    /// From its next start on it is run as `product`, for instance with another heap.
    pub fn run_as(&mut self, product: Product) {
        self.product = product;
    }

    /// Starts it again on the same data and returns as soon as the process runs, before it serves.
    ///
    /// # Errors
    /// When the program cannot be started.
    pub fn start_again(&mut self) -> Result<(), ServerError> {
        self.child =
            spawn(&self.product, &self.folder, self.address).map_err(|source| ServerError::Io {
                product: self.product.name().to_owned(),
                source,
            })?;
        Ok(())
    }

    /// Tries again and again to open a session.
    ///
    /// # Errors
    /// When the process ends or opens none within ten minutes.
    pub fn wait_until_serving(&mut self) -> Result<Client, ServerError> {
        let give_up = Instant::now() + START_WITHIN;
        let mut patience = FIRST_PATIENCE;
        while Instant::now() < give_up && matches!(self.child.try_wait(), Ok(None)) {
            match Client::connect_within(self.address, patience) {
                Ok(client) => return Ok(client),
                Err(LoadError::Io(error)) if error.kind() == io::ErrorKind::WouldBlock => {
                    patience *= 2;
                }
                Err(_) => {}
            }
            thread::sleep(RETRY_AFTER);
        }
        Err(self.not_serving())
    }

    /// Nothing, while the process runs and it is not yet `give_up`.
    fn expect_running(&mut self, give_up: Instant) -> Result<(), ServerError> {
        if Instant::now() < give_up && matches!(self.child.try_wait(), Ok(None)) {
            Ok(())
        } else {
            Err(self.not_serving())
        }
    }

    fn not_serving(&self) -> ServerError {
        let output = fs::read(self.folder.join("output")).unwrap_or_default();
        let from = output.len().saturating_sub(OUTPUT_SHOWN_BYTES);
        ServerError::NotServing {
            product: self.product.name().to_owned(),
            output: String::from_utf8_lossy(&output[from..]).into_owned(),
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself, and a folder left behind is emptied at the next start.
        let _ = self.kill();
        let _ = fs::remove_dir_all(&self.folder);
    }
}

fn spawn(product: &Product, folder: &Path, address: SocketAddr) -> io::Result<Child> {
    let output = File::options()
        .create(true)
        .append(true)
        .open(folder.join("output"))?;
    let mut command: Command = product.command(folder, address);
    // Held until the process is among those that are running, so that none escapes `kill_all`.
    let mut running = running();
    let child = command
        .stdin(Stdio::null())
        .stdout(output.try_clone()?)
        .stderr(output)
        .current_dir(folder)
        .spawn()?;
    running.insert(child.id());
    Ok(child)
}

/// A loopback address that nobody listens on.
fn free_address() -> io::Result<SocketAddr> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()
}

//! A crowd: many sessions that only ping, all on one thread, for a socket and a few bytes each.
//!
//! In: how many, their time-out, how often they ping. Out: when the server closed each of them. A closed connection is
//! an error unless the crowd was told that its sessions end. Not here: what the server does meanwhile (`scenario`).

use std::collections::VecDeque;
use std::io::{self, Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use rustix::buffer::spare_capacity;
use rustix::event::{Timespec, epoll};
use rustix::fd::OwnedFd;
use rustix::net::{AddressFamily, SocketFlags, SocketType, bind, connect, socket_with, sockopt};
use treekeeper_protocol::{Request, xid};

use crate::load::LoadError;
use crate::load::client::{check_session, closed};
use crate::load::frame::{Frame, connect_frame_asking};
use crate::load::replies::Reply;

/// A server that does not answer a handshake within this time has failed.
const ANSWER_WITHIN: Duration = Duration::from_secs(60);
/// Sessions opened together, so that they share syncs: fewer than a server lets wait to be accepted.
const OPENED_TOGETHER: usize = 32;
/// Connections from one address of the loopback network: far fewer than it has ports.
const CONNECTIONS_PER_ADDRESS: usize = 10_000;
/// Bytes of a reply without a body, its length included.
const EMPTY_REPLY_BYTES: u64 = 20;
/// Events taken from the kernel at once.
const EVENTS_MAX: usize = 256;
/// How long to wait for events before somebody may be due again.
const PACE: Duration = Duration::from_millis(5);

/// The sessions.
#[derive(Debug)]
pub struct Crowd {
    address: SocketAddr,
    network: u8,
    timeout: Duration,
    ping_every: Duration,
    ping: Vec<u8>,
    epoll: OwnedFd,
    /// `None` once the server has closed it.
    members: Vec<Option<TcpStream>>,
    /// Who pings when; the earliest first, since all have the same interval.
    due: VecDeque<(Instant, usize)>,
    /// Requests with an empty reply, and the bytes of such replies.
    sent: u64,
    received_bytes: u64,
    ending: bool,
    closed: Vec<Instant>,
}

impl Crowd {
    /// Nobody yet. Connections come from the addresses 127.0.`network`.1 and following; each session asks for `timeout`
    /// and pings three times within it.
    ///
    /// # Errors
    /// When the system has no descriptor left.
    pub fn new(address: SocketAddr, network: u8, timeout: Duration) -> io::Result<Self> {
        let mut ping = Vec::new();
        Frame::new(&Request::Ping).append(xid::PING, &mut ping);
        Ok(Self {
            address,
            network,
            timeout,
            ping_every: timeout / 3,
            ping,
            epoll: epoll::create(epoll::CreateFlags::CLOEXEC)?,
            members: Vec::new(),
            due: VecDeque::new(),
            sent: 0,
            received_bytes: 0,
            ending: false,
            closed: Vec::new(),
        })
    }

    /// How long each member waits between two pings.
    pub fn ping_every(&self) -> Duration {
        self.ping_every
    }

    /// When the server closed members, in the order in which this was seen.
    pub fn closed(&self) -> &[Instant] {
        &self.closed
    }

    /// Opens `count` more sessions, each of which first sends what `first_request` says for its number. Those that are
    /// open go on pinging meanwhile; in the end all pings are spread evenly over the interval.
    ///
    /// # Errors
    /// When a connection, a session or a first request fails.
    pub fn open(
        &mut self,
        count: usize,
        first_request: impl Fn(usize) -> Option<Request>,
    ) -> Result<(), LoadError> {
        let end = self.members.len() + count;
        while self.members.len() < end {
            let first = self.members.len();
            let numbers = first..end.min(first + OPENED_TOGETHER);
            let mut streams = Vec::new();
            for number in numbers.clone() {
                streams.push(self.connect(number)?);
            }
            for stream in &mut streams {
                check_session(&read_frame(stream)?)?;
            }
            for (number, stream) in numbers.clone().zip(&mut streams) {
                if let Some(request) = first_request(number) {
                    let mut out = Vec::new();
                    Frame::new(&request).append(1, &mut out);
                    stream.write_all(&out)?;
                }
            }
            for (number, mut stream) in numbers.zip(streams) {
                if let Some(request) = first_request(number) {
                    Reply::parse(&read_frame(&mut stream)?)?.expect(1, &request)?;
                }
                self.admit(stream)?;
            }
            self.step(Duration::ZERO)?;
        }
        self.spread();
        Ok(())
    }

    /// Pings whoever is due and takes what comes, until `done`.
    ///
    /// # Errors
    /// When a connection fails, or is closed although its session goes on.
    pub fn run_until(&mut self, mut done: impl FnMut(&Self) -> bool) -> Result<(), LoadError> {
        while !done(self) {
            self.step(PACE)?;
        }
        Ok(())
    }

    /// The same until `end`.
    ///
    /// # Errors
    /// Those of [`Crowd::run_until`].
    pub fn run_until_time(&mut self, end: Instant) -> Result<(), LoadError> {
        self.run_until(|_| Instant::now() >= end)
    }

    /// Every member pings once more and then never again. Returns when all are answered; from then on the server may
    /// close them.
    ///
    /// # Errors
    /// When a connection fails.
    pub fn fall_silent(&mut self) -> Result<(), LoadError> {
        self.due.clear();
        for number in 0..self.members.len() {
            self.ping(number)?;
            if number % OPENED_TOGETHER == 0 {
                self.step(Duration::ZERO)?;
            }
        }
        self.run_until(Self::all_answered)?;
        self.ending = true;
        Ok(())
    }

    /// Closes the sessions of the last `count` members, and waits until the server has closed their connections.
    ///
    /// # Errors
    /// When a connection fails first.
    pub fn close_last(&mut self, count: usize) -> Result<(), LoadError> {
        let staying = self.members.len() - count;
        self.due.retain(|(_, number)| *number < staying);
        self.ending = true;
        let mut close = Vec::new();
        Frame::new(&Request::CloseSession).append(i32::MAX, &mut close);
        for number in staying..self.members.len() {
            self.send(number, &close)?;
            if number % OPENED_TOGETHER == 0 {
                self.step(Duration::ZERO)?;
            }
        }
        self.run_until(|crowd| crowd.closed.len() >= count)?;
        self.members.truncate(staying);
        self.closed.clear();
        self.ending = false;
        Ok(())
    }

    fn all_answered(&self) -> bool {
        self.received_bytes >= self.sent * EMPTY_REPLY_BYTES
    }

    /// A connection of its own, on which the handshake was sent.
    fn connect(&self, number: usize) -> Result<TcpStream, LoadError> {
        let socket = socket_with(
            AddressFamily::INET,
            SocketType::STREAM,
            SocketFlags::CLOEXEC,
            None,
        )
        .map_err(io::Error::from)?;
        let host = u8::try_from(number / CONNECTIONS_PER_ADDRESS + 1)
            .map_err(|_| io::Error::from(io::ErrorKind::AddrNotAvailable))?;
        let from = SocketAddr::from((Ipv4Addr::new(127, 0, self.network, host), 0));
        bind(&socket, &from).map_err(io::Error::from)?;
        // Ends with a reset: thousands of ports that linger would be missed by whoever is measured next.
        sockopt::set_socket_linger(&socket, Some(Duration::ZERO)).map_err(io::Error::from)?;
        connect(&socket, &self.address).map_err(io::Error::from)?;
        let mut stream = TcpStream::from(socket);
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(ANSWER_WITHIN))?;
        let timeout_ms =
            i32::try_from(self.timeout.as_millis()).expect("a time-out is far below 2^31 ms");
        stream.write_all(&connect_frame_asking(timeout_ms))?;
        Ok(stream)
    }

    fn admit(&mut self, stream: TcpStream) -> Result<(), LoadError> {
        stream.set_nonblocking(true)?;
        let number = self.members.len();
        epoll::add(
            &self.epoll,
            &stream,
            epoll::EventData::new_u64(number as u64),
            epoll::EventFlags::IN,
        )
        .map_err(io::Error::from)?;
        self.members.push(Some(stream));
        self.due
            .push_back((Instant::now() + self.ping_every, number));
        Ok(())
    }

    /// Whoever is due first stays first, but all have the same distance from now on.
    fn spread(&mut self) {
        let now = Instant::now();
        let count = u32::try_from(self.due.len()).expect("a crowd is far below 2^32");
        for ((due, _), place) in self.due.iter_mut().zip(0_u32..) {
            *due = now + self.ping_every * place / count;
        }
    }

    fn step(&mut self, wait_at_most: Duration) -> Result<(), LoadError> {
        let now = Instant::now();
        while let Some(&(due, number)) = self.due.front()
            && due <= now
        {
            self.due.pop_front();
            self.ping(number)?;
            self.due.push_back((due + self.ping_every, number));
        }
        self.receive(wait_at_most)
    }

    fn ping(&mut self, number: usize) -> Result<(), LoadError> {
        let ping = std::mem::take(&mut self.ping);
        let sent = self.send(number, &ping);
        self.ping = ping;
        sent
    }

    fn send(&mut self, number: usize, frame: &[u8]) -> Result<(), LoadError> {
        let stream = self.members[number].as_mut().ok_or_else(closed)?;
        // A few bytes on an idle connection: the socket takes all of them, or has failed.
        stream.write_all(frame)?;
        self.sent += 1;
        Ok(())
    }

    fn receive(&mut self, wait_at_most: Duration) -> Result<(), LoadError> {
        let timeout = Timespec::try_from(wait_at_most).expect("a short wait");
        let mut events = Vec::with_capacity(EVENTS_MAX);
        match epoll::wait(&self.epoll, spare_capacity(&mut events), Some(&timeout)) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(io::Error::from(error).into()),
        }
        let now = Instant::now();
        for event in events {
            let data = event.data;
            let number = usize::try_from(data.u64()).expect("an index");
            self.receive_from(number, now)?;
        }
        Ok(())
    }

    fn receive_from(&mut self, number: usize, now: Instant) -> Result<(), LoadError> {
        let mut bytes = [0; 256];
        let Some(stream) = &mut self.members[number] else {
            return Ok(());
        };
        match stream.read(&mut bytes) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Ok(count) if count > 0 => self.received_bytes += count as u64,
            _ if !self.ending => return Err(closed().into()),
            // Ended or reset: either way the server is done with it.
            Ok(_) | Err(_) => {
                self.members[number] = None;
                self.closed.push(now);
            }
        }
        Ok(())
    }
}

/// One frame from a blocking socket, without its length.
fn read_frame(stream: &mut TcpStream) -> Result<Vec<u8>, LoadError> {
    let mut length = [0; 4];
    stream.read_exact(&mut length)?;
    let length = usize::try_from(u32::from_be_bytes(length)).expect("at least 32 bits");
    if length > 1 << 20 {
        return Err(LoadError::Unreadable(format!("a frame of {length} bytes")));
    }
    let mut frame = vec![0; length];
    stream.read_exact(&mut frame)?;
    Ok(frame)
}

#[cfg(test)]
mod tests {
    use std::net::{Shutdown, TcpListener};
    use std::sync::mpsc;
    use std::thread;

    use bytes::BytesMut;
    use treekeeper_protocol::{ConnectResponse, ReplyHeader, encode};

    use super::*;

    const TIMEOUT: Duration = Duration::from_millis(30);

    /// Answers handshakes and pings, and passes on a handle of each connection that it serves.
    fn serve(served: &mpsc::Sender<TcpStream>) -> SocketAddr {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let served = served.clone();
        thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let handle = stream.try_clone().unwrap();
                if served.send(handle).is_err() {
                    return;
                }
                thread::spawn(move || {
                    read_frame(&mut stream)?;
                    let response = ConnectResponse {
                        protocol_version: 0,
                        timeout_ms: 30,
                        session_id: 1,
                        password: [1; 16],
                        read_only: Some(false),
                    };
                    stream.write_all(&frame(|out| response.encode(out)))?;
                    loop {
                        let request = read_frame(&mut stream)?;
                        let header = ReplyHeader {
                            xid: i32::from_be_bytes(*request.first_chunk().unwrap()),
                            zxid: 1,
                            err: 0,
                        };
                        stream.write_all(&frame(|out| header.encode(out)))?;
                        if request[4..] == (-11_i32).to_be_bytes() {
                            return stream.shutdown(Shutdown::Both).map_err(LoadError::from);
                        }
                    }
                });
            }
        });
        address
    }

    fn frame(body: impl FnOnce(&mut BytesMut)) -> BytesMut {
        let mut out = BytesMut::new();
        let start = encode::begin_frame(&mut out);
        body(&mut out);
        encode::end_frame(&mut out, start);
        out
    }

    fn crowd_of(count: usize) -> (Crowd, mpsc::Receiver<TcpStream>) {
        let (sender, served) = mpsc::channel();
        let mut crowd = Crowd::new(serve(&sender), 1, TIMEOUT).unwrap();
        crowd.open(count, |_| None).unwrap();
        (crowd, served)
    }

    #[test]
    fn members_ping_until_they_fall_silent_and_tell_when_they_are_closed() {
        let (mut crowd, served) = crowd_of(70);
        let opened_with = crowd.sent;
        crowd
            .run_until(|crowd| crowd.sent >= opened_with + 210)
            .unwrap();
        crowd.fall_silent().unwrap();
        let pings = crowd.sent;
        for stream in served.try_iter() {
            stream.shutdown(Shutdown::Both).unwrap();
        }
        crowd.run_until(|crowd| crowd.closed().len() == 70).unwrap();
        assert_eq!(crowd.sent, pings, "nobody pinged any more");
    }

    #[test]
    fn those_who_close_their_sessions_go_and_the_others_stay() {
        let (mut crowd, _served) = crowd_of(10);
        crowd.close_last(4).unwrap();
        let pings = crowd.sent;
        crowd.run_until(|crowd| crowd.sent >= pings + 12).unwrap();
        assert_eq!((crowd.members.len(), crowd.closed().len()), (6, 0));
    }

    #[test]
    fn a_connection_that_is_closed_while_it_pings_is_an_error() {
        let (mut crowd, served) = crowd_of(3);
        served.recv().unwrap().shutdown(Shutdown::Both).unwrap();
        assert!(crowd.run_until(|_| false).is_err());
    }
}

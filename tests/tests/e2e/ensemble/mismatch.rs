//! Members that are not what the others take them for: they say so, or end, and the others go on.

use std::time::{Duration, Instant};

use treekeeper_tests::compat::ports::free_port;
use treekeeper_tests::process::server::PATIENCE;
use treekeeper_tests::process::{Ensemble, Server, ServerOptions};

use super::{LOOK_EVERY, connect_to, create, synced_data};

/// What a complaint must name: a word, and the number of a member.
type Words = (&'static str, &'static str);

/// Of a process that comes with the `myid` of a member that runs.
const TAKEN_ID: Words = ("server", "2");
/// Of a new ensemble, one of whose members has a config that names another member more.
const OTHER_MEMBERS: Words = ("server", "3");
/// Of a member that comes back without what it had acknowledged.
const WIPED: Words = ("server", "3");

/// The member that is not as it was.
const ODD: usize = 3;

/// Waits until one of the processes complains with these words, of which the last stands alone.
#[track_caller]
fn assert_complains(servers: &[&Server], (word, id): Words) {
    let complains = |line: &str| {
        let is_complaint =
            line.starts_with("treekeeper: ") || line.contains(" WARN ") || line.contains(" ERROR ");
        let mut numbers = line.split(|c: char| !c.is_ascii_digit());
        is_complaint && line.contains(word) && numbers.any(|number| number == id)
    };
    let deadline = Instant::now() + PATIENCE;
    let complained = |server: &&Server| server.line_where(Duration::ZERO, complains).is_some();
    while !servers.iter().any(complained) {
        let said: Vec<_> = servers.iter().map(|server| server.stderr()).collect();
        assert!(
            Instant::now() < deadline,
            "expected a complaint with {word:?} and {id}, they said:\n{}",
            said.join("\n\n")
        );
        std::thread::sleep(LOOK_EVERY);
    }
    for server in servers {
        assert!(!server.stderr().contains("panicked"), "{}", server.stderr());
    }
}

/// Checks that the other members serve as they did.
async fn assert_others_serve(ensemble: &Ensemble, others: &[usize]) {
    create(&connect_to(ensemble, others[0]).await, "/after", "all").await;
    for other in others {
        let client = connect_to(ensemble, *other).await;
        for (path, data) in [("/before", "it"), ("/after", "all")] {
            let read = synced_data(&client, path).await;
            let read = read.unwrap_or_else(|error| panic!("{path} at member {other}: {error}"));
            assert_eq!(read.as_deref(), Some(data.as_bytes()), "{path}");
        }
    }
}

/// An ensemble that has taken a write, and whose odd member was stopped behind it.
async fn without_the_odd_one() -> Ensemble {
    let mut ensemble = Ensemble::start(3);
    create(&connect_to(&ensemble, ODD).await, "/before", "it").await;
    ensemble.stop(ODD);
    ensemble.settle();
    ensemble
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_process_under_a_taken_id_says_so() {
    let ensemble = Ensemble::start(3);
    create(&connect_to(&ensemble, 1).await, "/before", "it").await;
    // A fourth machine, set up like the second by somebody who forgets to change the id: only the addresses differ.
    let folder = tempfile::tempdir().expect("a folder");
    let data_dir = folder.path().join("data");
    std::fs::create_dir(&data_dir).expect("a folder can be made");
    std::fs::write(data_dir.join("myid"), "2\n").expect("a file can be written");
    let free = || free_port().expect("some port is free");
    let (quorum, election, client) = (free(), free(), free());
    let text = std::fs::read_to_string(ensemble.config(2)).expect("a file can be read");
    let lines = text.lines().map(|line| match line.split_once('=') {
        Some(("server.2", _)) => format!("server.2=127.0.0.1:{quorum}:{election};{client}"),
        Some(("dataDir", _)) => format!("dataDir={}", data_dir.display()),
        _ => line.to_owned(),
    });
    let text = lines.collect::<Vec<_>>().join("\n");
    let config = folder.path().join("zoo.cfg");
    std::fs::write(&config, text).expect("a file can be written");
    let options = ServerOptions::new(&data_dir).config_alone(&config);
    let server = options.spawn();
    assert_complains(&[&server], TAKEN_ID);
    assert_others_serve(&ensemble, &[1, 2, 3]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn members_with_different_configs_say_so() {
    let mut ensemble = Ensemble::prepare(3, 0);
    let fourth = "server.4=127.0.0.1:14991:14992;14993\n";
    ensemble.write_config(ODD, &format!("{}{fourth}", ensemble.lines()));
    for id in ensemble.ids() {
        ensemble.start_member(id);
    }
    let servers: Vec<_> = ensemble
        .ids()
        .iter()
        .map(|id| ensemble.server(*id))
        .collect();
    assert_complains(&servers, OTHER_MEMBERS);

    // Put right, they form.
    ensemble.write_config(ODD, ensemble.lines());
    for id in ensemble.ids() {
        ensemble.discard(id);
        ensemble.start_member(id);
    }
    ensemble.settle();
    create(&connect_to(&ensemble, ODD).await, "/before", "it").await;
    assert_others_serve(&ensemble, &[1, 2]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_member_that_lost_its_data_says_so() {
    let mut ensemble = without_the_odd_one().await;
    std::fs::remove_dir_all(ensemble.data_dir(ODD)).expect("a folder can be removed");
    ensemble.write_myid(ODD, ODD);
    ensemble.start_member(ODD);
    assert_complains(&[ensemble.server(ODD)], WIPED);
    assert_others_serve(&ensemble, &[1, 2]).await;
}

//! Four-letter words.

use crate::wire::outcome::{Outcome, ensure, expect, failed};
use crate::wire::request::{add_watch, exists, get_children};
use crate::wire::suite::Suite;
use crate::wire::target::Case;

/// Lists the cases.
pub(crate) fn register(suite: &mut Suite) {
    for (word, answer) in [
        ("ruok", "imok"),
        ("isro", "rw"),
        ("gtmk", "306"),
        ("crst", "Connection stats reset.\n"),
        ("srst", "Server stats reset.\n"),
    ] {
        suite.case(
            format!("words/{word}-answers-{:?}", answer.trim_end()),
            move |case| expect("answer", case.word(word)?, answer.to_owned()),
        );
        suite.case(
            format!("words/{word}-with-a-newline-answers-the-same"),
            move |case| {
                expect(
                    "answer",
                    case.word(&format!("{word}\n"))?,
                    answer.to_owned(),
                )
            },
        );
        suite.case(
            format!("words/{word}-in-two-packets-answers-the-same"),
            move |case| {
                let mut socket = case.socket()?;
                socket.send(&word.as_bytes()[..2])?;
                socket.send(&word.as_bytes()[2..])?;
                expect("answer", socket.text()?, answer.to_owned())
            },
        );
    }
    suite.alone("words/stmk-takes-eight-more-bytes", |case| {
        for mask in [1, 306] {
            let mut socket = case.socket()?;
            socket.send(&[&b"stmk"[..], &i64::to_be_bytes(mask)].concat())?;
            expect("answer", socket.text()?, mask.to_string())?;
            expect("trace mask", case.word("gtmk")?, mask.to_string())?;
        }
        Ok(())
    });
    suite.case("words/telnet-close-closes", |case| {
        let mut socket = case.socket()?;
        socket.send(&[0xff, 0xf4, 0xff, 0xfd])?;
        socket.closed()
    });
    suite.case("words/srvr-has-its-lines-in-order", |case| {
        let answer = case.word("srvr")?;
        let mode = format!("Mode: {}", case.target.mode);
        let keys = [
            "Zookeeper version: 3.",
            "Latency min/avg/max: ",
            "Received: ",
            "Sent: ",
            "Connections: ",
            "Outstanding: ",
            "Zxid: 0x",
            &mode,
            "Node count: ",
        ];
        lines_begin(&answer, &keys)?;
        let latency = answer
            .lines()
            .nth(1)
            .and_then(|line| line.rsplit(' ').next())
            .unwrap_or_default()
            .to_owned();
        ensure(
            latency.split('/').count() == 3,
            format!("three latencies, got {latency}"),
        )
    });
    suite.case(
        "words/srvr-version-begins-with-a-number-up-to-a-dash",
        |case| {
            let answer = case.word("srvr")?;
            let version = answer
                .lines()
                .next()
                .and_then(|line| line.strip_prefix("Zookeeper version: "))
                .unwrap_or_default();
            let number = version.split(['-', ',']).next().unwrap_or_default();
            ensure(
                number.split('.').count() == 3
                    && number.split('.').all(|part| part.parse::<u32>().is_ok()),
                format!("a dotted number, got {version}"),
            )
        },
    );
    suite.case("words/srvr-shows-the-last-zxid", |case| {
        let zxid = case.client()?.ping()?.zxid;
        let answer = case.word("srvr")?;
        let text = answer
            .lines()
            .find_map(|line| line.strip_prefix("Zxid: 0x"))
            .unwrap_or_default();
        let shown = i64::from_str_radix(text, 16)
            .map_err(|error| failed(format!("Zxid {text}: {error}")))?;
        ensure(
            shown >= zxid,
            format!("a zxid from {zxid:#x} on, got {shown:#x}"),
        )
    });
    suite.case("words/stat-lists-clients", |case| {
        let mut client = case.client()?;
        client.ping()?;
        let local = client.socket.stream().local_addr()?;
        let answer = case.word("stat")?;
        lines_begin(&answer, &["Zookeeper version: ", "Clients:"])?;
        let line = answer
            .lines()
            .find(|line| line.starts_with(&format!(" /{local}[")))
            .unwrap_or_default();
        ensure(
            line.contains("](queued=") && line.contains(",recved=") && line.ends_with(')'),
            format!("a line of {local}, got {answer}"),
        )?;
        let rest = answer
            .split_once("\n\n")
            .ok_or_else(|| failed("expected an empty line behind the clients"))?
            .1;
        lines_begin(
            rest,
            &[
                "Latency min/avg/max: ",
                "Received: ",
                "Sent: ",
                "Connections: ",
                "Outstanding: ",
                "Zxid: 0x",
                "Mode: ",
                "Node count: ",
            ],
        )
    });
    suite.case("words/cons-details-a-session", |case| {
        let mut client = case.client()?;
        client.call(&get_children(&case.root, false))?.children()?;
        let local = client.socket.stream().local_addr()?;
        let answer = case.word("cons")?;
        let line = answer
            .lines()
            .find(|line| line.starts_with(&format!(" /{local}[")))
            .unwrap_or_default()
            .to_owned();
        for part in [
            "queued=0",
            "recved=2",
            "sent=",
            &format!("sid={:#x}", client.session()),
            "lop=GETC",
            "est=",
            "to=30000",
            "lcxid=0x1",
            "lzxid=0x",
            "lresp=",
            "llat=",
            "minlat=",
            "avglat=",
            "maxlat=",
        ] {
            ensure(line.contains(part), format!("{part} in {line}"))?;
        }
        ensure(answer.ends_with(")\n\n"), "an empty line at the end")
    });
    suite.case("words/conf-has-its-keys-in-order", |case| {
        let answer = case.word("conf")?;
        lines_begin(
            &answer,
            &[
                "clientPort=",
                "secureClientPort=-1",
                "dataDir=",
                "dataDirSize=",
                "dataLogDir=",
                "dataLogSize=",
                "tickTime=500",
                "maxClientCnxns=0",
                "minSessionTimeout=1000",
                "maxSessionTimeout=60000",
                "clientPortListenBacklog=-1",
                if case.is_alone() {
                    "serverId=0"
                } else {
                    "serverId="
                },
            ],
        )?;
        expect(
            "client port",
            answer.lines().next().map(str::to_owned),
            Some(format!("clientPort={}", case.target.connect.port())),
        )
    });
    suite.case("words/envi-begins-with-its-title", |case| {
        lines_begin(
            &case.word("envi")?,
            &["Environment:", "zookeeper.version=3."],
        )
    });
    suite.case("words/mntr-is-tab-separated-with-the-classic-keys", mntr);
    suite.case(
        "words/dump-lists-sessions-ephemerals-and-connections",
        |case| {
            let mut client = case.client()?;
            client.make(&case.at("e"), b"", 1)?;
            let answer = case.word("dump")?;
            // Only who expires sessions knows when.
            let sessions = if case.is_alone() {
                "Session Sets ("
            } else {
                "Global Sessions("
            };
            for part in [
                "SessionTracker dump:\n",
                sessions,
                "ephemeral nodes dump:\nSessions with Ephemerals (",
                "Connections dump:\n",
                "Connections Sets (",
            ] {
                ensure(answer.contains(part), format!("{part:?} in {answer}"))?;
            }
            let session = if case.is_alone() {
                format!("\t{:#x}\n", client.session())
            } else {
                format!("\n{:#x}\t30000ms\n", client.session())
            };
            ensure(answer.contains(&session), "the session's id")?;
            ensure(
                answer.contains(&format!("{:#x}:\n\t{}", client.session(), case.at("e"))),
                "the ephemeral under its session",
            )
        },
    );
    suite.case("words/wchs-wchc-wchp-show-watches", |case| {
        let mut client = case.client()?;
        client.call(&exists(&case.at("n"), true))?.refused(-101)?;
        client.call(&add_watch(&case.at("m"), 0))?.number()?;
        let session = format!("{:#x}", client.session());
        let by_session = case.word("wchc")?;
        let section = by_session
            .split(&format!("{session}\n"))
            .nth(1)
            .unwrap_or_default();
        let mut paths: Vec<_> = section
            .lines()
            .map_while(|line| line.strip_prefix('\t'))
            .collect();
        paths.sort_unstable();
        expect(
            "paths of the session",
            paths,
            vec![case.at("m"), case.at("n")],
        )?;
        let by_path = case.word("wchp")?;
        ensure(
            by_path.contains(&format!("{}\n\t{session}\n", case.at("n"))),
            "the session under its path",
        )?;
        let summary = case.word("wchs")?;
        let (first, second) = summary.split_once('\n').unwrap_or_default();
        ensure(
            first.contains(" connections watching ") && first.ends_with(" paths"),
            format!("a summary, got {summary:?}"),
        )?;
        ensure(
            second.starts_with("Total watches:"),
            format!("a total, got {summary:?}"),
        )
    });
    suite.case("words/dirs-gives-two-sizes", |case| {
        let answer = case.word("dirs")?;
        lines_begin(&answer, &["datadir_size: ", "logdir_size: "])?;
        expect("lines", answer.lines().count(), 2)
    });
    suite.case("words/hash-gives-zxids-and-digests", |case| {
        for line in case.word("hash")?.lines() {
            let (zxid, digest) = line.split_once(": ").unwrap_or_default();
            ensure(
                i64::from_str_radix(zxid, 16).is_ok() && digest.parse::<i128>().is_ok(),
                format!("`<hex>: <decimal>`, got {line:?}"),
            )?;
        }
        Ok(())
    });
}

/// Checks that line by line the text begins as it should.
fn lines_begin(text: &str, beginnings: &[&str]) -> Outcome {
    let mut lines = text.lines();
    for beginning in beginnings {
        let line = lines.next().unwrap_or("<the end>");
        ensure(
            line.starts_with(beginning),
            format!("a line that begins with {beginning:?}, got {line:?}"),
        )?;
    }
    Ok(())
}

fn mntr(case: &Case) -> Outcome {
    let answer = case.word("mntr")?;
    let state = format!("zk_server_state\t{}", case.target.mode);
    lines_begin(&answer, &["zk_version\t", &state])?;
    for line in answer.lines() {
        ensure(
            line.starts_with("zk_") && line.split('\t').count() == 2,
            format!("`zk_key TAB value`, got {line:?}"),
        )?;
    }
    for key in [
        "avg_latency",
        "max_latency",
        "min_latency",
        "packets_received",
        "packets_sent",
        "num_alive_connections",
        "outstanding_requests",
        "znode_count",
        "watch_count",
        "ephemerals_count",
        "approximate_data_size",
        "open_file_descriptor_count",
        "max_file_descriptor_count",
        "global_sessions",
        "uptime",
    ] {
        let value = answer
            .lines()
            .find_map(|line| line.strip_prefix(&format!("zk_{key}\t")))
            .unwrap_or_default();
        ensure(
            value.parse::<f64>().is_ok(),
            format!("a number for zk_{key}, got {value:?}"),
        )?;
    }
    Ok(())
}

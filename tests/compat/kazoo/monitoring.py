"""The four-letter words as kazoo users send them."""

import os
import re

from harness import case, equal, eventually

MODE = os.environ["TK_MODE"]

SRVR_LINES = (
    "Zookeeper version: ",
    "Latency min/avg/max: ",
    "Received: ",
    "Sent: ",
    "Connections: ",
    "Outstanding: ",
    "Zxid: 0x",
    f"Mode: {MODE}",
    "Node count: ",
)


@case
def command_ruok_and_isro_have_no_newline(scene):
    client = scene.client()
    equal(client.command(b"ruok"), "imok")
    equal(client.command(), "imok")
    equal(client.command(b"isro"), "rw")


@case
def command_srvr_and_stat(scene):
    client = scene.client()
    lines = client.command(b"srvr").splitlines()
    equal(len(lines), len(SRVR_LINES), "lines of srvr")
    for line, start in zip(lines, SRVR_LINES):
        assert line.startswith(start), f"{line!r} does not start with {start!r}"
    assert re.fullmatch(r"Latency min/avg/max: \d+/\d+(\.\d+)?/\d+", lines[1]), lines[1]
    stat = client.command(b"stat")
    assert "Clients:\n /127.0.0.1:" in stat, stat
    assert re.search(r"^ /127\.0\.0\.1:\d+\[\d+\]\(queued=\d+,recved=\d+,sent=\d+\)$", stat, re.M)
    for start in SRVR_LINES:
        assert f"\n{start}" in "\n" + stat, f"stat lacks {start!r}"


@case
def command_mntr(scene):
    client = scene.rooted()
    client.create(scene.root + "/e", ephemeral=True)
    client.get(scene.root, watch=lambda event: None)
    values = dict(line.split("\t", 1) for line in client.command(b"mntr").splitlines() if "\t" in line)
    equal(values["zk_server_state"], MODE)
    for key in (
        "zk_version",
        "zk_avg_latency",
        "zk_max_latency",
        "zk_min_latency",
        "zk_packets_received",
        "zk_packets_sent",
        "zk_num_alive_connections",
        "zk_outstanding_requests",
        "zk_znode_count",
        "zk_watch_count",
        "zk_ephemerals_count",
        "zk_approximate_data_size",
        "zk_open_file_descriptor_count",
        "zk_max_file_descriptor_count",
        "zk_global_sessions",
    ):
        assert values.get(key), f"mntr lacks {key}"
    assert int(values["zk_znode_count"]) >= 6, values["zk_znode_count"]
    assert int(values["zk_ephemerals_count"]) >= 1, values["zk_ephemerals_count"]
    assert int(values["zk_watch_count"]) >= 1, values["zk_watch_count"]


@case
def server_version(scene):
    version = scene.client().server_version()
    assert version >= (3, 4), version


@case
def command_cons_names_the_session(scene):
    client = scene.client()
    session = f"sid=0x{client.client_id[0]:x},"
    assert session in client.command(b"cons"), f"cons lacks {session}"


@case
def command_dump_names_ephemerals(scene):
    client = scene.rooted()
    client.create(scene.root + "/e", ephemeral=True)
    dump = client.command(b"dump")
    for part in ("SessionTracker dump:", "ephemeral nodes dump:", f"0x{client.client_id[0]:x}:"):
        assert part in dump, f"dump lacks {part!r}"
    assert f"\t{scene.root}/e" in dump, "dump lacks the ephemeral"


@case
def command_watches(scene):
    client = scene.rooted()
    client.get(scene.root, watch=lambda event: None)
    assert re.match(r"\d+ connections watching \d+ paths\nTotal watches:\d+", client.command(b"wchs"))
    session = f"0x{client.client_id[0]:x}"
    assert f"{session}\n\t{scene.root}\n" in client.command(b"wchc"), "wchc lacks the watch"
    assert f"{scene.root}\n\t{session}\n" in client.command(b"wchp"), "wchp lacks the watch"


@case
def command_conf_and_envi(scene):
    client = scene.client()
    conf = dict(line.split("=", 1) for line in client.command(b"conf").splitlines() if "=" in line)
    equal(conf["clientPort"], str(client.hosts[0][1]))
    equal((conf["tickTime"], conf["minSessionTimeout"]), ("500", "1000"))
    equal((conf["maxSessionTimeout"], conf["maxClientCnxns"]), ("60000", "0"))
    assert client.command(b"envi").startswith("Environment:\nzookeeper.version="), "envi"


@case
def command_resets(scene):
    client = scene.client()
    equal(client.command(b"crst"), "Connection stats reset.\n")
    for _ in range(100):
        client.exists("/")
    equal(client.command(b"srst"), "Server stats reset.\n")
    received = lambda: int(re.search(r"Received: (\d+)", client.command(b"srvr"))[1])  # noqa: E731
    assert received() < 100, "srst reset nothing"


@case
def command_sizes_and_mask(scene):
    client = scene.client()
    assert re.fullmatch(r"datadir_size: \d+\nlogdir_size: \d+\n", client.command(b"dirs")), "dirs"
    assert client.command(b"gtmk").isdigit(), "gtmk"


@case
def connection_count_follows_the_clients(scene):
    client = scene.client()
    count = lambda: int(re.search(r"Connections: (\d+)", client.command(b"srvr"))[1])  # noqa: E731
    before = eventually(count, "a count")
    others = [scene.client() for _ in range(5)]
    eventually(lambda: count() >= 6, "five more connections")
    for other in others:
        other.stop()
    eventually(lambda: count() <= before, "five fewer connections")

/* Sessions over lost links and dead servers: kept, resumed, refused, expired. */
#include "harness.h"

#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

/*
 * Apache ZooKeeper never answers and never closes a connection that it accepts while it starts.
 * The C client gives up after two thirds of the session time-out, so with this one the session
 * still lives then, and the case does not take long.
 */
#define SESSION_OVER_RESTARTS_MS 9000

static void create_ephemeral(zhandle_t *zh, const char *path) {
    OK(zoo_create(zh, path, "", 0, &ZOO_OPEN_ACL_UNSAFE, ZOO_EPHEMERAL, NULL, 0));
}

static void auth_done(int result, const void *unused) {
    (void)result;
    (void)unused;
}

/* What a client keeps while the server goes down and comes back. */
static void survives(const char *down) {
    zhandle_t *zh = open_client_with(SESSION_OVER_RESTARTS_MS, NULL);
    struct events *data = new_events(), *exist = new_events(), *child = new_events();
    struct String_vector names;
    struct Stat stat;
    char buffer[8];
    int length = sizeof buffer;
    int64_t session = zoo_client_id(zh)->client_id;
    create(zh, root, "");
    create_ephemeral(zh, below("/e"));
    OK(zoo_add_auth(zh, "digest", "ann:pw", 6, auth_done, NULL));
    OK(zoo_create(zh, below("/secret"), "", 0, &ZOO_CREATOR_ALL_ACL, 0, NULL, 0));
    OK(zoo_wget(zh, root, collect, data, buffer, &length, NULL));
    GIVES(ZNONODE, zoo_wexists(zh, below("/new"), collect, exist, NULL));
    OK(zoo_wget_children(zh, root, collect, child, &names));
    int told[] = {event_count(data), event_count(exist), event_count(child)};
    SAME(told[0] + told[1] + told[2], 0);

    control(down);
    EVENTUALLY(!is_connected(zh));
    control("start");
    EVENTUALLY(is_connected(zh));
    SAME(zoo_client_id(zh)->client_id, session);
    OK(zoo_exists(zh, below("/e"), 0, &stat));
    SAME(stat.ephemeralOwner, session);
    length = sizeof buffer;
    OK(zoo_get(zh, below("/secret"), 0, buffer, &length, NULL));

    zhandle_t *writer = open_client();
    /* Each watcher is told of the connection's end and return, then of its own event. */
    OK(zoo_set(writer, root, "x", 1, -1));
    create(writer, below("/new"), "");
    const struct {
        struct events *events;
        int type;
        const char *path;
    } wanted[] = {
        {data, ZOO_CHANGED_EVENT, root},
        {exist, ZOO_CREATED_EVENT, below("/new")},
        {child, ZOO_CHILD_EVENT, root},
    };
    for (int i = 0; i < 3; i++) {
        struct events *events = wanted[i].events;
        EVENTUALLY(event_count(events) > 0 &&
                   events->at[event_count(events) - 1].type != ZOO_SESSION_EVENT);
        check_event(events, event_count(events) - 1, wanted[i].type, wanted[i].path);
    }
    OK(zookeeper_close(writer));
    OK(zookeeper_close(zh));
}

static void session_survives_kill_of_the_server(void) { survives("kill"); }

static void session_survives_stop_of_the_server(void) { survives("stop"); }

static void session_survives_a_lost_link(void) {
    zhandle_t *zh = open_client();
    int64_t session = zoo_client_id(zh)->client_id;
    struct Stat stat;
    create_ephemeral(zh, root);
    for (int round = 0; round < 3; round++) {
        int before = event_count(session_events(zh));
        cut_connections();
        EVENTUALLY(event_count(session_events(zh)) >= before + 2);
        EVENTUALLY(is_connected(zh));
    }
    SAME(zoo_client_id(zh)->client_id, session);
    OK(zoo_exists(zh, root, 0, &stat));
    SAME(stat.ephemeralOwner, session);
    OK(zookeeper_close(zh));
}

/*
 * Another process with a client of its own that holds the ephemeral root + "/e" and reports its
 * session. It must be made before this process has clients, whose threads a fork would lose.
 */
struct other {
    pid_t process;
    int reports;
    clientid_t id;
};

static struct other start_other(int session_ms) {
    struct other other;
    int ends[2], go[2];
    CHECK(pipe(ends) == 0 && pipe(go) == 0);
    other.process = fork();
    if (other.process == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        char byte;
        CHECK(read(go[0], &byte, 1) == 1);
        zhandle_t *zh = open_client_with(session_ms, NULL);
        create_ephemeral(zh, below("/e"));
        CHECK(write(ends[1], zoo_client_id(zh), sizeof other.id) == sizeof other.id);
        EVENTUALLY(zoo_state(zh) == ZOO_EXPIRED_SESSION_STATE);
        CHECK(write(ends[1], "x", 1) == 1);
        _exit(0);
    }
    close(ends[1]);
    other.reports = ends[0];
    zhandle_t *zh = open_rooted();
    OK(zookeeper_close(zh));
    CHECK(write(go[1], "x", 1) == 1);
    CHECK(read(other.reports, &other.id, sizeof other.id) == sizeof other.id);
    return other;
}

static void session_expires(void) {
    struct other other = start_other(1000);
    zhandle_t *zh = open_client();
    struct events *events = new_events();
    char byte;
    OK(zoo_wexists(zh, below("/e"), collect, events, NULL));
    kill(other.process, SIGSTOP);
    check_event(events, 0, ZOO_DELETED_EVENT, below("/e"));
    kill(other.process, SIGCONT);
    /* The other process reports once its client knows. */
    CHECK(read(other.reports, &byte, 1) == 1);
    OK(zookeeper_close(zh));
}

static void session_is_resumed_by_its_id_and_password(void) {
    struct other other = start_other(SESSION_MS);
    kill(other.process, SIGKILL);
    waitpid(other.process, NULL, 0);
    zhandle_t *zh = open_client_with(SESSION_MS, &other.id), *observer = open_client();
    struct Stat stat;
    SAME(zoo_client_id(zh)->client_id, other.id.client_id);
    OK(zoo_exists(zh, below("/e"), 0, &stat));
    SAME(stat.ephemeralOwner, other.id.client_id);
    OK(zookeeper_close(zh));
    CHECK(is_missing(observer, below("/e")));
    OK(zookeeper_close(observer));
}

static void session_with_a_wrong_password_is_refused(void) {
    zhandle_t *owner = open_client();
    create_ephemeral(owner, root);
    clientid_t id = *zoo_client_id(owner);
    id.passwd[0] ^= 1;
    zhandle_t *thief = start_client(SESSION_MS, &id);
    EVENTUALLY(zoo_state(thief) == ZOO_EXPIRED_SESSION_STATE);
    CHECK(saw_state(session_events(thief), ZOO_EXPIRED_SESSION_STATE));
    EVENTUALLY(is_connected(owner));
    SAME(zoo_client_id(owner)->client_id, id.client_id);
    zookeeper_close(thief);
    zhandle_t *observer = open_client();
    CHECK(!is_missing(observer, root));
    OK(zookeeper_close(observer));
    OK(zookeeper_close(owner));
}

static void closed_session_is_refused(void) {
    zhandle_t *zh = open_client();
    clientid_t id = *zoo_client_id(zh);
    OK(zookeeper_close(zh));
    zhandle_t *again = start_client(SESSION_MS, &id);
    EVENTUALLY(zoo_state(again) == ZOO_EXPIRED_SESSION_STATE);
    zookeeper_close(again);
}

static void idle_session_lives_by_its_pings(void) {
    zhandle_t *idle = open_client_with(1000, NULL), *observer = open_client();
    create_ephemeral(idle, root);
    long long began = now_ms();
    EVENTUALLY(now_ms() - began > 4000);
    CHECK(!is_missing(observer, root));
    CHECK(is_connected(idle));
    SAME(event_count(session_events(idle)), 1);
    OK(zookeeper_close(idle));
    OK(zookeeper_close(observer));
}

static void paused_server_is_noticed_and_used_again(void) {
    zhandle_t *zh = open_client_with(4000, NULL);
    control("pause");
    EVENTUALLY(!is_connected(zh));
    control("resume");
    /* Four seconds may have been over on the server's side as well. */
    EVENTUALLY(is_connected(zh) || zoo_state(zh) == ZOO_EXPIRED_SESSION_STATE);
    zookeeper_close(zh);
    zh = open_client();
    CHECK(!is_missing(zh, "/"));
    OK(zookeeper_close(zh));
}

const struct test_case session_cases[] = {
    {"session-survives-kill-of-the-server", session_survives_kill_of_the_server},
    {"session-survives-stop-of-the-server", session_survives_stop_of_the_server},
    {"session-survives-a-lost-link", session_survives_a_lost_link},
    {"session-expires", session_expires},
    {"session-is-resumed-by-its-id-and-password", session_is_resumed_by_its_id_and_password},
    {"session-with-a-wrong-password-is-refused", session_with_a_wrong_password_is_refused},
    {"closed-session-is-refused", closed_session_is_refused},
    {"idle-session-lives-by-its-pings", idle_session_lives_by_its_pings},
    {"paused-server-is-noticed-and-used-again", paused_server_is_noticed_and_used_again},
    {NULL, NULL},
};

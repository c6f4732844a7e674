/* The create modes: sequential, ephemeral, container, time to live. */
#include "harness.h"

#include <string.h>
#include <unistd.h>

static void create_in(zhandle_t *zh, int mode, const char *wanted) {
    char path[PATH_SIZE];
    OK(zoo_create(zh, below("/s-"), "x", 1, &ZOO_OPEN_ACL_UNSAFE, mode, path, sizeof path));
    SAME_TEXT(path, below(wanted));
}

static void create_sequential(void) {
    zhandle_t *zh = open_rooted();
    create_in(zh, ZOO_PERSISTENT_SEQUENTIAL, "/s-0000000000");
    create_in(zh, ZOO_EPHEMERAL_SEQUENTIAL, "/s-0000000001");
    OK(zoo_delete(zh, below("/s-0000000001"), -1));
    create(zh, below("/plain"), "");
    create_in(zh, ZOO_PERSISTENT_SEQUENTIAL, "/s-0000000003");
    OK(zookeeper_close(zh));
}

static void create_with_stat(void) {
    zhandle_t *zh = open_rooted();
    char path[PATH_SIZE];
    struct Stat made, seen;
    OK(zoo_create2(zh, below("/e-"), "1234", 4, &ZOO_OPEN_ACL_UNSAFE, ZOO_EPHEMERAL_SEQUENTIAL,
                   path, sizeof path, &made));
    SAME_TEXT(path, below("/e-0000000000"));
    SAME(made.ephemeralOwner, zoo_client_id(zh)->client_id);
    SAME(made.dataLength, 4);
    OK(zoo_exists(zh, path, 0, &seen));
    SAME(seen.czxid, made.czxid);
    SAME(seen.ctime, made.ctime);
    OK(zookeeper_close(zh));
}

static void ephemeral_ends_with_its_session(void) {
    zhandle_t *zh = open_rooted(), *owner = open_client();
    struct Stat stat;
    OK(zoo_create(owner, below("/e"), "", 0, &ZOO_OPEN_ACL_UNSAFE, ZOO_EPHEMERAL, NULL, 0));
    OK(zoo_exists(zh, below("/e"), 0, &stat));
    SAME(stat.ephemeralOwner, zoo_client_id(owner)->client_id);
    GIVES(ZNOCHILDRENFOREPHEMERALS,
          zoo_create(zh, below("/e/c"), "", 0, &ZOO_OPEN_ACL_UNSAFE, 0, NULL, 0));
    OK(zookeeper_close(owner));
    CHECK(is_missing(zh, below("/e")));
    OK(zookeeper_close(zh));
}

static void container_is_removed_when_emptied(void) {
    zhandle_t *zh = open_rooted();
    struct events *events = new_events();
    struct Stat stat;
    OK(zoo_create2(zh, below("/c"), "", 0, &ZOO_OPEN_ACL_UNSAFE, ZOO_CONTAINER, NULL, 0, &stat));
    SAME(stat.ephemeralOwner, 0);
    create(zh, below("/c/child"), "");
    OK(zoo_wexists(zh, below("/c"), collect, events, NULL));
    OK(zoo_delete(zh, below("/c/child"), -1));
    check_event(events, 0, ZOO_DELETED_EVENT, below("/c"));
    OK(zookeeper_close(zh));
}

static void time_to_live(void) {
    zhandle_t *zh = open_rooted();
    struct events *events = new_events();
    struct Stat stat;
    char path[PATH_SIZE];
    long long made = now_ms();
    OK(zoo_create2_ttl(zh, below("/t-"), "", 0, &ZOO_OPEN_ACL_UNSAFE,
                       ZOO_PERSISTENT_SEQUENTIAL_WITH_TTL, 1000, path, sizeof path, &stat));
    SAME_TEXT(path, below("/t-0000000000"));
    SAME(stat.ephemeralOwner, 0);
    OK(zoo_wexists(zh, path, collect, events, NULL));
    check_event(events, 0, ZOO_DELETED_EVENT, path);
    CHECK(now_ms() - made > 900);
    OK(zoo_create_ttl(zh, below("/t"), "", 0, &ZOO_OPEN_ACL_UNSAFE, ZOO_PERSISTENT_WITH_TTL, 100,
                      NULL, 0));
    EVENTUALLY(is_missing(zh, below("/t")));
    OK(zookeeper_close(zh));
}

const struct test_case mode_cases[] = {
    {"create-sequential", create_sequential},
    {"create-with-stat", create_with_stat},
    {"ephemeral-ends-with-its-session", ephemeral_ends_with_its_session},
    {"container-is-removed-when-emptied", container_is_removed_when_emptied},
    {"time-to-live", time_to_live},
    {NULL, NULL},
};

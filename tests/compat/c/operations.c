/* Znodes: create, read, write, delete, and what their Stat says. */
#include "harness.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void connect_and_close(void) {
    zhandle_t *zh = open_client();
    CHECK(zoo_client_id(zh)->client_id != 0);
    char none[16] = "";
    CHECK(memcmp(zoo_client_id(zh)->passwd, none, sizeof none) != 0);
    check_event(session_events(zh), 0, ZOO_SESSION_EVENT, "");
    SAME(session_events(zh)->at[0].state, ZOO_CONNECTED_STATE);
    OK(zookeeper_close(zh));
}

static void session_time_out_is_negotiated(void) {
    static const int asked_and_got[][2] = {{100, 1000}, {7000, 7000}, {1000000, 60000}};
    for (int i = 0; i < 3; i++) {
        zhandle_t *zh = open_client_with(asked_and_got[i][0], NULL);
        SAME(zoo_recv_timeout(zh), asked_and_got[i][1]);
        OK(zookeeper_close(zh));
    }
}

static void create_get_set_delete(void) {
    zhandle_t *zh = open_rooted();
    char path[PATH_SIZE], data[64];
    int length = sizeof data;
    struct Stat stat;
    OK(zoo_create(zh, below("/a"), "one", 3, &ZOO_OPEN_ACL_UNSAFE, ZOO_PERSISTENT, path,
                  sizeof path));
    SAME_TEXT(path, below("/a"));
    OK(zoo_get(zh, path, 0, data, &length, &stat));
    SAME(length, 3);
    CHECK(memcmp(data, "one", 3) == 0);
    SAME(stat.version, 0);
    OK(zoo_set(zh, path, "two", 3, 0));
    OK(zoo_set2(zh, path, "three", 5, 1, &stat));
    SAME(stat.version, 2);
    SAME(stat.dataLength, 5);
    OK(zoo_delete(zh, path, 2));
    CHECK(is_missing(zh, path));
    OK(zookeeper_close(zh));
}

static void stat_of_a_znode_and_its_parent(void) {
    zhandle_t *zh = open_rooted();
    struct Stat born, changed, parent;
    create(zh, below("/a"), "1234");
    OK(zoo_exists(zh, below("/a"), 0, &born));
    SAME(born.mzxid, born.czxid);
    SAME(born.pzxid, born.czxid);
    SAME(born.mtime, born.ctime);
    SAME(born.version, 0);
    SAME(born.cversion, 0);
    SAME(born.aversion, 0);
    SAME(born.ephemeralOwner, 0);
    SAME(born.dataLength, 4);
    OK(zoo_exists(zh, root, 0, &parent));
    SAME(parent.pzxid, born.czxid);
    SAME(parent.cversion, 1);
    SAME(parent.numChildren, 1);
    OK(zoo_set2(zh, below("/a"), "x", 1, -1, &changed));
    CHECK(changed.mzxid > born.mzxid);
    SAME(changed.czxid, born.czxid);
    OK(zoo_delete(zh, below("/a"), -1));
    OK(zoo_exists(zh, root, 0, &parent));
    CHECK(parent.pzxid > changed.mzxid);
    SAME(parent.cversion, 2);
    SAME(parent.numChildren, 0);
    OK(zookeeper_close(zh));
}

static void null_data_is_not_empty_data(void) {
    zhandle_t *zh = open_rooted();
    char data[8];
    int length = sizeof data;
    OK(zoo_create(zh, below("/null"), NULL, -1, &ZOO_OPEN_ACL_UNSAFE, 0, NULL, 0));
    OK(zoo_get(zh, below("/null"), 0, data, &length, NULL));
    SAME(length, -1);
    create(zh, below("/empty"), "");
    length = sizeof data;
    OK(zoo_get(zh, below("/empty"), 0, data, &length, NULL));
    SAME(length, 0);
    OK(zookeeper_close(zh));
}

static void children_with_and_without_stat(void) {
    zhandle_t *zh = open_rooted();
    struct String_vector names;
    struct Stat stat;
    create(zh, below("/a"), "");
    create(zh, below("/b"), "");
    SAME(child_count(zh, root), 2);
    OK(zoo_get_children2(zh, root, 0, &names, &stat));
    SAME(names.count, 2);
    SAME(stat.numChildren, 2);
    SAME(stat.cversion, 2);
    CHECK(strcmp(names.data[0], names.data[1]) != 0);
    deallocate_String_vector(&names);
    SAME(child_count(zh, below("/a")), 0);
    OK(zookeeper_close(zh));
}

static void unicode_paths(void) {
    zhandle_t *zh = open_rooted();
    create(zh, below("/服务提供者 a%2Fb?c=d&e"), "x");
    struct String_vector names;
    OK(zoo_get_children(zh, root, 0, &names));
    SAME_TEXT(names.data[0], "服务提供者 a%2Fb?c=d&e");
    deallocate_String_vector(&names);
    OK(zookeeper_close(zh));
}

static void data_close_to_the_limit(void) {
    zhandle_t *zh = open_rooted();
    int length = 1000000;
    char *data = malloc(length), *back = malloc(length);
    memset(data, 'x', length);
    OK(zoo_create(zh, below("/big"), data, length, &ZOO_OPEN_ACL_UNSAFE, 0, NULL, 0));
    OK(zoo_get(zh, below("/big"), 0, back, &length, NULL));
    SAME(length, 1000000);
    CHECK(memcmp(data, back, length) == 0);
    OK(zookeeper_close(zh));
}

static void data_over_the_limit_drops_the_connection_only(void) {
    zhandle_t *zh = open_rooted();
    int64_t session = zoo_client_id(zh)->client_id;
    int length = 1100000;
    char *data = calloc(1, length);
    GIVES(ZCONNECTIONLOSS,
          zoo_create(zh, below("/big"), data, length, &ZOO_OPEN_ACL_UNSAFE, 0, NULL, 0));
    EVENTUALLY(is_connected(zh));
    SAME(zoo_client_id(zh)->client_id, session);
    CHECK(is_missing(zh, below("/big")));
    OK(zookeeper_close(zh));
}

static void config_znode_is_there(void) {
    zhandle_t *zh = open_client();
    char data[1024];
    int length = sizeof data;
    struct Stat stat;
    OK(zoo_getconfig(zh, 0, data, &length, &stat));
    if (strcmp(getenv("TK_MODE"), "standalone") == 0)
        CHECK(length <= 0);
    else
        CHECK(length > 9 && strncmp(data, "server.1=", 9) == 0);
    OK(zookeeper_close(zh));
}

static void chroot_of_a_client(void) {
    zhandle_t *outside = open_rooted();
    char address[PATH_SIZE * 2], path[PATH_SIZE];
    snprintf(address, sizeof address, "%s%s", getenv("TK_CONNECT"), root);
    struct events *events = new_events();
    zhandle_t *inside = zookeeper_init(address, collect, SESSION_MS, NULL, new_events(), 0);
    EVENTUALLY(is_connected(inside));
    OK(zoo_create(inside, "/a", "x", 1, &ZOO_OPEN_ACL_UNSAFE, 0, path, sizeof path));
    SAME_TEXT(path, "/a");
    OK(zoo_wexists(inside, "/a", collect, events, NULL));
    OK(zoo_delete(outside, below("/a"), -1));
    check_event(events, 0, ZOO_DELETED_EVENT, "/a");
    OK(zookeeper_close(inside));
    OK(zookeeper_close(outside));
}

const struct test_case operation_cases[] = {
    {"connect-and-close", connect_and_close},
    {"session-time-out-is-negotiated", session_time_out_is_negotiated},
    {"create-get-set-delete", create_get_set_delete},
    {"stat-of-a-znode-and-its-parent", stat_of_a_znode_and_its_parent},
    {"null-data-is-not-empty-data", null_data_is_not_empty_data},
    {"children-with-and-without-stat", children_with_and_without_stat},
    {"unicode-paths", unicode_paths},
    {"data-close-to-the-limit", data_close_to_the_limit},
    {"data-over-the-limit-drops-the-connection-only", data_over_the_limit_drops_the_connection_only},
    {"config-znode-is-there", config_znode_is_there},
    {"chroot", chroot_of_a_client},
    {NULL, NULL},
};

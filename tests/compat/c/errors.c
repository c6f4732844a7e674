/* The errors a request may be answered with. */
#include "harness.h"

#include <string.h>
#include <unistd.h>

static int try_create(zhandle_t *zh, const char *path, const struct ACL_vector *acl) {
    return zoo_create(zh, path, "", 0, acl, ZOO_PERSISTENT, NULL, 0);
}

static void error_no_node(void) {
    zhandle_t *zh = open_rooted();
    const char *missing = below("/missing");
    char data[8];
    int length = sizeof data;
    struct String_vector names;
    struct ACL_vector acl;
    struct Stat stat;
    GIVES(ZNONODE, zoo_get(zh, missing, 0, data, &length, NULL));
    GIVES(ZNONODE, zoo_set(zh, missing, "", 0, -1));
    GIVES(ZNONODE, zoo_delete(zh, missing, -1));
    GIVES(ZNONODE, zoo_exists(zh, missing, 0, NULL));
    GIVES(ZNONODE, zoo_get_children(zh, missing, 0, &names));
    GIVES(ZNONODE, zoo_get_children2(zh, missing, 0, &names, &stat));
    GIVES(ZNONODE, zoo_get_acl(zh, missing, &acl, &stat));
    GIVES(ZNONODE, zoo_set_acl(zh, missing, -1, &ZOO_OPEN_ACL_UNSAFE));
    GIVES(ZNONODE, try_create(zh, below("/missing/child"), &ZOO_OPEN_ACL_UNSAFE));
    OK(zookeeper_close(zh));
}

static void error_node_exists_bad_version_not_empty(void) {
    zhandle_t *zh = open_rooted();
    create(zh, below("/child"), "");
    GIVES(ZNODEEXISTS, try_create(zh, root, &ZOO_OPEN_ACL_UNSAFE));
    GIVES(ZBADVERSION, zoo_set(zh, root, "", 0, 7));
    GIVES(ZBADVERSION, zoo_delete(zh, root, 7));
    GIVES(ZBADVERSION, zoo_set_acl(zh, root, 7, &ZOO_OPEN_ACL_UNSAFE));
    GIVES(ZNOTEMPTY, zoo_delete(zh, root, -1));
    OK(zookeeper_close(zh));
}

static void error_bad_arguments(void) {
    zhandle_t *zh = open_rooted();
    GIVES(ZBADARGUMENTS, zoo_delete(zh, "/zookeeper", -1));
    GIVES(ZBADARGUMENTS, zoo_delete(zh, "/", -1));
    GIVES(ZBADARGUMENTS, try_create(zh, below("/\x01"), &ZOO_OPEN_ACL_UNSAFE));
    OK(zookeeper_close(zh));
}

static void error_invalid_acl(void) {
    zhandle_t *zh = open_rooted();
    struct ACL entry = {ZOO_PERM_ALL, {"nonsense", "x"}};
    struct ACL_vector acl = {1, &entry}, none = {0, NULL};
    GIVES(ZINVALIDACL, try_create(zh, below("/a"), &acl));
    GIVES(ZINVALIDACL, try_create(zh, below("/a"), &none));
    GIVES(ZINVALIDACL, try_create(zh, below("/a"), &ZOO_CREATOR_ALL_ACL));
    OK(zookeeper_close(zh));
}

static void error_reconfig_disabled(void) {
    zhandle_t *zh = open_client();
    char data[256];
    int length = sizeof data;
    GIVES(ZRECONFIGDISABLED,
          zoo_reconfig(zh, "server.2=localhost:2888:3888;2181", NULL, NULL, -1, data, &length, NULL));
    CHECK(!is_missing(zh, "/"));
    OK(zookeeper_close(zh));
}

const struct test_case error_cases[] = {
    {"error-no-node", error_no_node},
    {"error-node-exists-bad-version-not-empty", error_node_exists_bad_version_not_empty},
    {"error-bad-arguments", error_bad_arguments},
    {"error-invalid-acl", error_invalid_acl},
    {"error-reconfig-disabled", error_reconfig_disabled},
    {NULL, NULL},
};

/* Who may do what. */
#include "harness.h"

#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

/* user "ann", password "pw": base64 of the SHA-1 of "ann:pw". */
#define ANN "ann:RYbu6l5aZwqon8VWmkcGvezdzfc="

static atomic_int auth_result;

static void auth_done(int result, const void *unused) {
    (void)unused;
    atomic_store(&auth_result, result);
}

/* Authenticates and waits for the answer. */
static int add_auth(zhandle_t *zh, const char *scheme, const char *credentials) {
    atomic_store(&auth_result, 1);
    OK(zoo_add_auth(zh, scheme, credentials, (int)strlen(credentials), auth_done, NULL));
    EVENTUALLY(atomic_load(&auth_result) != 1);
    return atomic_load(&auth_result);
}

static int try_get(zhandle_t *zh, const char *path) {
    char data[64];
    int length = sizeof data;
    return zoo_get(zh, path, 0, data, &length, NULL);
}

static void acl_get_and_set(void) {
    zhandle_t *zh = open_rooted();
    struct ACL_vector acl;
    struct Stat stat;
    OK(zoo_get_acl(zh, root, &acl, &stat));
    SAME(acl.count, 1);
    SAME(acl.data[0].perms, ZOO_PERM_ALL);
    SAME_TEXT(acl.data[0].id.scheme, "world");
    SAME_TEXT(acl.data[0].id.id, "anyone");
    deallocate_ACL_vector(&acl);
    OK(zoo_set_acl(zh, root, 0, &ZOO_READ_ACL_UNSAFE));
    OK(zoo_get_acl(zh, root, &acl, &stat));
    SAME(acl.data[0].perms, ZOO_PERM_READ);
    SAME(stat.aversion, 1);
    SAME(stat.version, 0);
    deallocate_ACL_vector(&acl);
    GIVES(ZNOAUTH, zoo_set(zh, root, "", 0, -1));
    GIVES(ZNOAUTH, zoo_create(zh, below("/a"), "", 0, &ZOO_OPEN_ACL_UNSAFE, 0, NULL, 0));
    GIVES(ZNOAUTH, zoo_set_acl(zh, root, -1, &ZOO_OPEN_ACL_UNSAFE));
    OK(try_get(zh, root));
    OK(zookeeper_close(zh));
}

static void acl_of_the_creator(void) {
    zhandle_t *owner = open_client(), *other = open_client();
    struct ACL_vector acl;
    struct Stat stat;
    OK(add_auth(owner, "digest", "ann:pw"));
    OK(zoo_create(owner, root, "x", 1, &ZOO_CREATOR_ALL_ACL, 0, NULL, 0));
    OK(zoo_get_acl(owner, root, &acl, &stat));
    SAME(acl.count, 1);
    SAME_TEXT(acl.data[0].id.scheme, "digest");
    SAME_TEXT(acl.data[0].id.id, ANN);
    deallocate_ACL_vector(&acl);
    GIVES(ZNOAUTH, try_get(other, root));
    OK(add_auth(other, "digest", "ann:wrong"));
    GIVES(ZNOAUTH, try_get(other, root));
    OK(add_auth(other, "digest", "ann:pw"));
    OK(try_get(other, root));
    OK(zookeeper_close(other));
    OK(zookeeper_close(owner));
}

static void acl_digest_and_redaction(void) {
    zhandle_t *zh = open_client();
    struct ACL entries[] = {
        {ZOO_PERM_READ, {"world", "anyone"}},
        {ZOO_PERM_ALL, {"digest", ANN}},
    };
    struct ACL_vector acl = {2, entries};
    struct Stat stat;
    OK(zoo_create(zh, root, "x", 1, &acl, 0, NULL, 0));
    OK(zoo_get_acl(zh, root, &acl, &stat));
    SAME(acl.count, 2);
    SAME_TEXT(acl.data[1].id.id, "ann:x");
    deallocate_ACL_vector(&acl);
    GIVES(ZNOAUTH, zoo_set(zh, root, "y", 1, -1));
    OK(add_auth(zh, "digest", "ann:pw"));
    OK(zoo_set(zh, root, "y", 1, -1));
    OK(zookeeper_close(zh));
}

static void super_passes_everywhere(void) {
    zhandle_t *zh = open_client();
    struct ACL entry = {ZOO_PERM_READ, {"digest", ANN}};
    struct ACL_vector acl = {1, &entry};
    OK(zoo_create(zh, root, "x", 1, &acl, 0, NULL, 0));
    GIVES(ZNOAUTH, try_get(zh, root));
    OK(add_auth(zh, "digest", "super:secret"));
    OK(zoo_set(zh, root, "y", 1, -1));
    OK(zookeeper_close(zh));
}

static void unknown_auth_scheme_fails(void) {
    zhandle_t *zh = open_client();
    GIVES(ZAUTHFAILED, add_auth(zh, "nonsense", "x"));
    EVENTUALLY(zoo_state(zh) == ZOO_AUTH_FAILED_STATE);
    GIVES(ZAUTHFAILED, is_unrecoverable(zh) == ZINVALIDSTATE ? ZAUTHFAILED : ZOK);
    zookeeper_close(zh);
}

const struct test_case acl_cases[] = {
    {"acl-get-and-set", acl_get_and_set},
    {"acl-of-the-creator", acl_of_the_creator},
    {"acl-digest-and-redaction", acl_digest_and_redaction},
    {"super-passes-everywhere", super_passes_everywhere},
    {"unknown-auth-scheme-fails", unknown_auth_scheme_fails},
    {NULL, NULL},
};

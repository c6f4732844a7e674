/* multi: all or nothing, and what each operation is answered. */
#include "harness.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

static void multi_success(void) {
    zhandle_t *zh = open_rooted();
    char made[PATH_SIZE], sequential[PATH_SIZE], new[PATH_SIZE], old[PATH_SIZE];
    snprintf(new, sizeof new, "%s", below("/new"));
    snprintf(old, sizeof old, "%s", below("/old"));
    create(zh, old, "");
    struct Stat stat;
    zoo_op_t ops[5];
    zoo_op_result_t results[5];
    zoo_create_op_init(&ops[0], new, "x", 1, &ZOO_OPEN_ACL_UNSAFE, 0, made, sizeof made);
    zoo_set_op_init(&ops[1], new, "y", 1, 0, &stat);
    zoo_check_op_init(&ops[2], new, 1);
    zoo_create_op_init(&ops[3], below("/s-"), "", 0, &ZOO_OPEN_ACL_UNSAFE,
                       ZOO_EPHEMERAL_SEQUENTIAL, sequential, sizeof sequential);
    zoo_delete_op_init(&ops[4], old, -1);
    OK(zoo_multi(zh, 5, ops, results));
    for (int i = 0; i < 5; i++)
        OK(results[i].err);
    SAME_TEXT(made, new);
    SAME_TEXT(sequential, below("/s-0000000002"));
    SAME(stat.version, 1);
    SAME(child_count(zh, root), 2);
    OK(zookeeper_close(zh));
}

static void multi_failure_changes_nothing(void) {
    zhandle_t *zh = open_rooted();
    struct events *events = new_events(), *marker = new_events();
    struct String_vector names;
    zoo_op_t ops[3];
    zoo_op_result_t results[3];
    OK(zoo_wget_children(zh, root, collect, events, &names));
    zoo_create_op_init(&ops[0], below("/a"), "", 0, &ZOO_OPEN_ACL_UNSAFE, 0, NULL, 0);
    zoo_delete_op_init(&ops[1], below("/missing"), -1);
    zoo_create_op_init(&ops[2], below("/b"), "", 0, &ZOO_OPEN_ACL_UNSAFE, 0, NULL, 0);
    GIVES(ZNONODE, zoo_multi(zh, 3, ops, results));
    GIVES(ZOK, results[0].err);
    GIVES(ZNONODE, results[1].err);
    GIVES(ZRUNTIMEINCONSISTENCY, results[2].err);
    SAME(child_count(zh, root), 0);
    GIVES(ZOK, zoo_wexists(zh, root, collect, marker, NULL));
    OK(zoo_set(zh, root, "x", 1, -1));
    check_event(marker, 0, ZOO_CHANGED_EVENT, root);
    SAME(event_count(events), 0);
    OK(zookeeper_close(zh));
}

static void multi_failures_by_kind(void) {
    zhandle_t *zh = open_rooted();
    zoo_op_t op;
    zoo_op_result_t result;
    create(zh, below("/a"), "");
    zoo_check_op_init(&op, root, 5);
    GIVES(ZBADVERSION, zoo_multi(zh, 1, &op, &result));
    GIVES(ZBADVERSION, result.err);
    zoo_create_op_init(&op, root, "", 0, &ZOO_OPEN_ACL_UNSAFE, 0, NULL, 0);
    GIVES(ZNODEEXISTS, zoo_multi(zh, 1, &op, &result));
    zoo_set_op_init(&op, root, "", 0, 5, NULL);
    GIVES(ZBADVERSION, zoo_multi(zh, 1, &op, &result));
    zoo_delete_op_init(&op, root, -1);
    GIVES(ZNOTEMPTY, zoo_multi(zh, 1, &op, &result));
    zoo_check_op_init(&op, below("/missing"), -1);
    GIVES(ZNONODE, zoo_multi(zh, 1, &op, &result));
    OK(zookeeper_close(zh));
}

/* No container here: its answer is of the type create2, at which this client aborts. */
static void multi_creates_a_tree(void) {
    zhandle_t *zh = open_rooted();
    char tree[PATH_SIZE];
    zoo_op_t ops[2];
    zoo_op_result_t results[2];
    zoo_create_op_init(&ops[0], below("/a"), "", 0, &ZOO_OPEN_ACL_UNSAFE, 0, NULL, 0);
    zoo_create_op_init(&ops[1], below("/a/b"), "", 0, &ZOO_OPEN_ACL_UNSAFE, 0, tree, sizeof tree);
    OK(zoo_multi(zh, 2, ops, results));
    SAME_TEXT(tree, below("/a/b"));
    struct Stat outer, inner;
    OK(zoo_exists(zh, below("/a"), 0, &outer));
    OK(zoo_exists(zh, below("/a/b"), 0, &inner));
    SAME(outer.czxid, inner.czxid);
    OK(zookeeper_close(zh));
}

const struct test_case multi_cases[] = {
    {"multi-success", multi_success},
    {"multi-failure-changes-nothing", multi_failure_changes_nothing},
    {"multi-failures-by-kind", multi_failures_by_kind},
    {"multi-creates-a-tree", multi_creates_a_tree},
    {NULL, NULL},
};

/* The asynchronous calls: pipelines, and completions in the order of the requests. */
#include "harness.h"

#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define REQUESTS 500

static atomic_int done, out_of_order, errors;

/* Counts a completion; the data is its number in the pipeline. */
static void count(int result, const void *number) {
    if (result != ZOK)
        atomic_fetch_add(&errors, 1);
    if (atomic_fetch_add(&done, 1) != (int)(intptr_t)number)
        atomic_fetch_add(&out_of_order, 1);
}

static void on_string(int result, const char *text, const void *number) {
    (void)text;
    count(result, number);
}

static void on_stat(int result, const struct Stat *stat, const void *number) {
    (void)stat;
    count(result, number);
}

static void on_data(int result, const char *data, int length, const struct Stat *stat,
                    const void *number) {
    (void)data;
    (void)length;
    (void)stat;
    count(result, number);
}

static void await_all(int requests) {
    EVENTUALLY(atomic_load(&done) == requests);
    SAME(atomic_load(&errors), 0);
    SAME(atomic_load(&out_of_order), 0);
}

static void async_creates_in_a_pipeline(void) {
    zhandle_t *zh = open_rooted();
    char name[32];
    for (intptr_t i = 0; i < REQUESTS; i++) {
        snprintf(name, sizeof name, "/%04d", (int)i);
        OK(zoo_acreate(zh, below(name), "x", 1, &ZOO_OPEN_ACL_UNSAFE, 0, on_string,
                       (const void *)i));
    }
    await_all(REQUESTS);
    SAME(child_count(zh, root), REQUESTS);
    OK(zookeeper_close(zh));
}

static void async_reads_and_writes_keep_their_order(void) {
    zhandle_t *zh = open_rooted();
    for (intptr_t i = 0; i < REQUESTS; i += 5) {
        OK(zoo_aset(zh, root, "x", 1, (int)(i / 5), on_stat, (const void *)i));
        OK(zoo_aget(zh, root, 0, on_data, (const void *)(i + 1)));
        OK(zoo_aexists(zh, root, 0, on_stat, (const void *)(i + 2)));
        OK(zoo_async(zh, root, on_string, (const void *)(i + 3)));
        OK(zoo_aset(zh, "/zookeeper/quota", "", 0, -1, on_stat, (const void *)(i + 4)));
    }
    await_all(REQUESTS);
    OK(zookeeper_close(zh));
}

static void async_errors_come_in_their_place(void) {
    zhandle_t *zh = open_rooted();
    for (intptr_t i = 0; i < REQUESTS; i += 2) {
        OK(zoo_aget(zh, below("/missing"), 0, on_data, (const void *)i));
        OK(zoo_aexists(zh, root, 0, on_stat, (const void *)(i + 1)));
    }
    EVENTUALLY(atomic_load(&done) == REQUESTS);
    SAME(atomic_load(&errors), REQUESTS / 2);
    SAME(atomic_load(&out_of_order), 0);
    OK(zookeeper_close(zh));
}

static void async_sync(void) {
    zhandle_t *zh = open_rooted(), *writer = open_client();
    struct Stat stat;
    OK(zoo_set2(writer, root, "x", 1, -1, &stat));
    OK(zoo_async(zh, root, on_string, (const void *)0));
    OK(zoo_aget(zh, root, 0, on_data, (const void *)1));
    await_all(2);
    OK(zookeeper_close(writer));
    OK(zookeeper_close(zh));
}

static void async_multi(void) {
    zhandle_t *zh = open_rooted();
    zoo_op_t ops[50];
    zoo_op_result_t results[50];
    char paths[50][PATH_SIZE];
    for (int i = 0; i < 50; i++) {
        snprintf(paths[i], PATH_SIZE, "%.100s/%02d", root, i);
        zoo_create_op_init(&ops[i], paths[i], "", 0, &ZOO_OPEN_ACL_UNSAFE, 0, NULL, 0);
    }
    OK(zoo_amulti(zh, 50, ops, results, count, (const void *)0));
    await_all(1);
    SAME(child_count(zh, root), 50);
    OK(zookeeper_close(zh));
}

const struct test_case async_cases[] = {
    {"async-creates-in-a-pipeline", async_creates_in_a_pipeline},
    {"async-reads-and-writes-keep-their-order", async_reads_and_writes_keep_their_order},
    {"async-errors-come-in-their-place", async_errors_come_in_their_place},
    {"async-sync", async_sync},
    {"async-multi", async_multi},
    {NULL, NULL},
};

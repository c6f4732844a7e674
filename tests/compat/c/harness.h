/*
 * Runs each case in a process of its own, so that a crash or a hang in the client library costs
 * one case only. Here: what cases are made of. Not here: what they check.
 */
#ifndef HARNESS_H
#define HARNESS_H

#include <pthread.h>
#include <stdbool.h>
#include <zookeeper/zookeeper.h>

/* One condition is awaited this long at most. */
#define WAIT_MS 10000
/* The session time-out that clients ask for unless a case says otherwise. */
#define SESSION_MS 20000
#define PATH_SIZE 512
#define EVENTS_MAX 1024

struct test_case {
    const char *name;
    void (*run)(void);
};

/* Each ends with an entry without a name. */
extern const struct test_case operation_cases[], mode_cases[], error_cases[], watch_cases[],
    acl_cases[], multi_cases[], async_cases[], session_cases[], cli_cases[];

/* Ends the case as not ok. */
_Noreturn void fail(const char *file, int line, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#define FAIL(...) fail(__FILE__, __LINE__, __VA_ARGS__)
#define CHECK(condition) ((condition) ? (void)0 : FAIL("not so: %s", #condition))
/* The call's result is the wanted code. */
#define GIVES(wanted, call)                                                                        \
    do {                                                                                           \
        int wanted_ = (wanted), got_ = (call);                                                     \
        if (got_ != wanted_)                                                                       \
            FAIL("%s: expected %s, got %s", #call, zerror(wanted_), zerror(got_));                 \
    } while (0)
#define OK(call) GIVES(ZOK, call)
/* Both numbers are the same. */
#define SAME(got, wanted)                                                                          \
    do {                                                                                           \
        long long got_ = (got), wanted_ = (wanted);                                                \
        if (got_ != wanted_)                                                                       \
            FAIL("%s: expected %lld, got %lld", #got, wanted_, got_);                              \
    } while (0)
/* Both texts are the same. */
#define SAME_TEXT(got, wanted)                                                                     \
    do {                                                                                           \
        const char *got_ = (got), *wanted_ = (wanted);                                             \
        if (strcmp(got_, wanted_) != 0)                                                            \
            FAIL("%s: expected \"%s\", got \"%s\"", #got, wanted_, got_);                          \
    } while (0)
/* Waits until the condition holds. */
#define EVENTUALLY(condition)                                                                      \
    do {                                                                                           \
        long long until_ = now_ms() + WAIT_MS;                                                     \
        while (!(condition)) {                                                                     \
            if (now_ms() > until_)                                                                 \
                FAIL("not within %d ms: %s", WAIT_MS, #condition);                                 \
            usleep(10000);                                                                         \
        }                                                                                          \
    } while (0)

long long now_ms(void);

/* What watchers were told, in order; filled by the client's threads. */
struct events {
    pthread_mutex_t lock;
    int count;
    struct {
        int type, state;
        char path[PATH_SIZE];
    } at[EVENTS_MAX];
};

struct events *new_events(void);
/* A watcher whose context is a `struct events`. */
void collect(zhandle_t *zh, int type, int state, const char *path, void *events);
int event_count(struct events *events);
/* The event at the index is of this type and path. */
void check_event(struct events *events, int index, int type, const char *path);
/* A session event of this state has come. */
bool saw_state(struct events *events, int state);

/* The case's own root znode, which `open_rooted` makes. */
extern char root[PATH_SIZE];
/* A path below the root; valid until the eighth next call. */
const char *below(const char *suffix);

/* A client whose session is established; its session events come to `session_events(zh)`. */
zhandle_t *open_client(void);
zhandle_t *open_client_with(int session_ms, const clientid_t *id);
/* The same before it is connected. */
zhandle_t *start_client(int session_ms, const clientid_t *id);
zhandle_t *open_rooted(void);
struct events *session_events(zhandle_t *zh);
bool is_connected(zhandle_t *zh);

/* Creates a persistent znode that everybody may use. */
void create(zhandle_t *zh, const char *path, const char *data);
int child_count(zhandle_t *zh, const char *path);
bool is_missing(zhandle_t *zh, const char *path);

/* Sends a word to the runner that owns the server: kill, stop, start, pause, resume. */
void control(const char *word);
/* Breaks every connection of this process to the server. */
void cut_connections(void);

#endif

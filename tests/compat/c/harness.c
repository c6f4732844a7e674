/* Checks, events and clients for the cases. */
#include "harness.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

char root[PATH_SIZE];

void fail(const char *file, int line, const char *format, ...) {
    const char *slash = strrchr(file, '/');
    va_list arguments;
    va_start(arguments, format);
    printf("%s:%d: ", slash ? slash + 1 : file, line);
    vprintf(format, arguments);
    va_end(arguments);
    fflush(stdout);
    _exit(1);
}

long long now_ms(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000LL + now.tv_nsec / 1000000;
}

struct events *new_events(void) {
    struct events *events = calloc(1, sizeof *events);
    CHECK(events != NULL);
    pthread_mutex_init(&events->lock, NULL);
    return events;
}

void collect(zhandle_t *zh, int type, int state, const char *path, void *context) {
    struct events *events = context;
    (void)zh;
    pthread_mutex_lock(&events->lock);
    if (events->count < EVENTS_MAX) {
        events->at[events->count].type = type;
        events->at[events->count].state = state;
        snprintf(events->at[events->count].path, PATH_SIZE, "%s", path ? path : "");
        events->count++;
    }
    pthread_mutex_unlock(&events->lock);
}

int event_count(struct events *events) {
    pthread_mutex_lock(&events->lock);
    int count = events->count;
    pthread_mutex_unlock(&events->lock);
    return count;
}

void check_event(struct events *events, int index, int type, const char *path) {
    EVENTUALLY(event_count(events) > index);
    SAME(events->at[index].type, type);
    SAME_TEXT(events->at[index].path, path);
}

bool saw_state(struct events *events, int state) {
    bool seen = false;
    pthread_mutex_lock(&events->lock);
    for (int i = 0; i < events->count; i++)
        seen |= events->at[i].type == ZOO_SESSION_EVENT && events->at[i].state == state;
    pthread_mutex_unlock(&events->lock);
    return seen;
}

const char *below(const char *suffix) {
    static char paths[8][PATH_SIZE * 2];
    static int next;
    char *path = paths[next++ % 8];
    snprintf(path, sizeof paths[0], "%s%s", root, suffix);
    return path;
}

zhandle_t *start_client(int session_ms, const clientid_t *id) {
    zhandle_t *zh =
        zookeeper_init(getenv("TK_CONNECT"), collect, session_ms, id, new_events(), 0);
    if (zh == NULL)
        FAIL("zookeeper_init: %s", strerror(errno));
    return zh;
}

zhandle_t *open_client_with(int session_ms, const clientid_t *id) {
    zhandle_t *zh = start_client(session_ms, id);
    EVENTUALLY(is_connected(zh));
    return zh;
}

zhandle_t *open_client(void) { return open_client_with(SESSION_MS, NULL); }

zhandle_t *open_rooted(void) {
    zhandle_t *zh = open_client();
    create(zh, root, "");
    return zh;
}

struct events *session_events(zhandle_t *zh) { return (struct events *)zoo_get_context(zh); }

bool is_connected(zhandle_t *zh) { return zoo_state(zh) == ZOO_CONNECTED_STATE; }

void create(zhandle_t *zh, const char *path, const char *data) {
    OK(zoo_create(zh, path, data, (int)strlen(data), &ZOO_OPEN_ACL_UNSAFE, ZOO_PERSISTENT, NULL, 0));
}

int child_count(zhandle_t *zh, const char *path) {
    struct String_vector names;
    OK(zoo_get_children(zh, path, 0, &names));
    int count = names.count;
    deallocate_String_vector(&names);
    return count;
}

bool is_missing(zhandle_t *zh, const char *path) {
    int result = zoo_exists(zh, path, 0, NULL);
    if (result != ZOK && result != ZNONODE)
        FAIL("exists %s: %s", path, zerror(result));
    return result == ZNONODE;
}

/* One-shot watches, and their removal. */
#include "harness.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

static void watch_of_exists(void) {
    zhandle_t *zh = open_rooted(), *writer = open_client();
    struct events *events = new_events();
    const char *path = below("/a");
    GIVES(ZNONODE, zoo_wexists(zh, path, collect, events, NULL));
    create(writer, path, "");
    check_event(events, 0, ZOO_CREATED_EVENT, path);
    OK(zoo_wexists(zh, path, collect, events, NULL));
    OK(zoo_set(writer, path, "x", 1, -1));
    check_event(events, 1, ZOO_CHANGED_EVENT, path);
    OK(zoo_wexists(zh, path, collect, events, NULL));
    OK(zoo_delete(writer, path, -1));
    check_event(events, 2, ZOO_DELETED_EVENT, path);
    OK(zookeeper_close(writer));
    OK(zookeeper_close(zh));
}

static void watch_of_get_is_one_shot(void) {
    zhandle_t *zh = open_rooted();
    struct events *first = new_events(), *second = new_events();
    char data[8];
    int length = sizeof data;
    GIVES(ZNONODE, zoo_wget(zh, below("/a"), collect, first, data, &length, NULL));
    create(zh, below("/a"), "");
    OK(zoo_wget(zh, below("/a"), collect, first, data, &length, NULL));
    OK(zoo_set(zh, below("/a"), "1", 1, -1));
    OK(zoo_set(zh, below("/a"), "2", 1, -1));
    check_event(first, 0, ZOO_CHANGED_EVENT, below("/a"));
    length = sizeof data;
    OK(zoo_wget(zh, below("/a"), collect, second, data, &length, NULL));
    OK(zoo_delete(zh, below("/a"), -1));
    check_event(second, 0, ZOO_DELETED_EVENT, below("/a"));
    SAME(event_count(first), 1);
    OK(zookeeper_close(zh));
}

static void watch_of_children(void) {
    zhandle_t *zh = open_rooted(), *writer = open_client();
    struct events *events = new_events();
    struct String_vector names;
    struct Stat stat;
    OK(zoo_wget_children(zh, root, collect, events, &names));
    create(writer, below("/a"), "");
    check_event(events, 0, ZOO_CHILD_EVENT, root);
    OK(zoo_wget_children2(zh, root, collect, events, &names, &stat));
    OK(zoo_set(writer, below("/a"), "x", 1, -1));
    create(writer, below("/a/grandchild"), "");
    OK(zoo_delete(writer, below("/a/grandchild"), -1));
    OK(zoo_delete(writer, below("/a"), -1));
    check_event(events, 1, ZOO_CHILD_EVENT, root);
    OK(zoo_wget_children(zh, root, collect, events, &names));
    OK(zoo_delete(writer, root, -1));
    check_event(events, 2, ZOO_DELETED_EVENT, root);
    OK(zookeeper_close(writer));
    OK(zookeeper_close(zh));
}

static void watch_of_the_session_watcher(void) {
    zhandle_t *zh = open_rooted();
    int before = event_count(session_events(zh));
    OK(zoo_exists(zh, root, 1, NULL));
    OK(zoo_set(zh, root, "x", 1, -1));
    check_event(session_events(zh), before, ZOO_CHANGED_EVENT, root);
    OK(zookeeper_close(zh));
}

static void many_watches_fire_in_order(void) {
    zhandle_t *zh = open_rooted(), *writer = open_client();
    struct events *events = new_events();
    char name[32];
    for (int i = 0; i < 200; i++) {
        snprintf(name, sizeof name, "/%03d", i);
        GIVES(ZNONODE, zoo_wexists(zh, below(name), collect, events, NULL));
    }
    for (int i = 0; i < 200; i++) {
        snprintf(name, sizeof name, "/%03d", i);
        create(writer, below(name), "");
    }
    for (int i = 0; i < 200; i++) {
        snprintf(name, sizeof name, "/%03d", i);
        check_event(events, i, ZOO_CREATED_EVENT, below(name));
    }
    OK(zookeeper_close(writer));
    OK(zookeeper_close(zh));
}

static void removed_watch_is_silent(void) {
    zhandle_t *zh = open_rooted();
    struct events *removed = new_events(), *kept = new_events();
    char data[8];
    int length = sizeof data;
    struct String_vector names;
    OK(zoo_wget(zh, root, collect, removed, data, &length, NULL));
    OK(zoo_wget_children(zh, root, collect, kept, &names));
    OK(zoo_remove_watches(zh, root, ZWATCHTYPE_DATA, collect, removed, 0));
    GIVES(ZNOWATCHER, zoo_remove_watches(zh, root, ZWATCHTYPE_DATA, collect, removed, 0));
    OK(zoo_set(zh, root, "x", 1, -1));
    create(zh, below("/a"), "");
    check_event(kept, 0, ZOO_CHILD_EVENT, root);
    SAME(event_count(removed), 0);
    OK(zookeeper_close(zh));
}

static void all_watches_of_a_path_are_removed(void) {
    zhandle_t *zh = open_rooted();
    struct events *removed = new_events(), *marker = new_events();
    char data[8];
    int length = sizeof data;
    struct String_vector names;
    OK(zoo_wget(zh, root, collect, removed, data, &length, NULL));
    OK(zoo_wget_children(zh, root, collect, removed, &names));
    OK(zoo_remove_all_watches(zh, root, ZWATCHTYPE_ANY, 0));
    GIVES(ZNONODE, zoo_wexists(zh, below("/a"), collect, marker, NULL));
    OK(zoo_set(zh, root, "x", 1, -1));
    create(zh, below("/a"), "");
    check_event(marker, 0, ZOO_CREATED_EVENT, below("/a"));
    SAME(event_count(removed), 0);
    OK(zookeeper_close(zh));
}

const struct test_case watch_cases[] = {
    {"watch-of-exists", watch_of_exists},
    {"watch-of-get-is-one-shot", watch_of_get_is_one_shot},
    {"watch-of-children", watch_of_children},
    {"watch-of-the-session-watcher", watch_of_the_session_watcher},
    {"many-watches-fire-in-order", many_watches_fire_in_order},
    {"removed-watch-is-silent", removed_watch_is_silent},
    {"all-watches-of-a-path-are-removed", all_watches_of_a_path_are_removed},
    {NULL, NULL},
};

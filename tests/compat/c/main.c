/* Runs every case, or those named as arguments, and prints one result line each. */
#include "harness.h"

#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define CASE_MS 40000

static const struct test_case *const groups[] = {
    operation_cases, mode_cases,  error_cases,   watch_cases, acl_cases,
    multi_cases,     async_cases, session_cases, cli_cases,
};

/* Reads the reason that the case's process prints until it ends or the time is over. */
static bool read_reason(int from, char *reason, size_t size) {
    long long until = now_ms() + CASE_MS;
    size_t length = 0;
    for (;;) {
        struct pollfd readable = {.fd = from, .events = POLLIN};
        long long left = until - now_ms();
        if (left <= 0 || poll(&readable, 1, (int)left) <= 0)
            return false;
        ssize_t got = read(from, reason + length, size - 1 - length);
        if (got <= 0)
            break;
        length += (size_t)got;
    }
    for (char *c = reason; *c; c++)
        if (*c == '\n')
            *c = ' ';
    return true;
}

/* A failed case may have left the server down or paused. */
static void heal(void) {
    fflush(stdout);
    for (const char **word = (const char *[]){"resume", "start", NULL}; *word; word++) {
        pid_t healer = fork();
        if (healer == 0) {
            close(STDOUT_FILENO); /* An error says that nothing was wrong: nobody is to read it. */
            control(*word);
            _exit(0);
        }
        waitpid(healer, NULL, 0);
    }
}

static void run_case(const struct test_case *one) {
    char reason[2000] = "";
    int status, ends[2];
    if (pipe(ends) != 0) {
        printf("not ok %s # no pipe\n", one->name);
        return;
    }
    fflush(stdout);
    pid_t child = fork();
    if (child == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        dup2(ends[1], STDOUT_FILENO);
        close(ends[0]);
        close(ends[1]);
        snprintf(root, sizeof root, "/c-%s-%d", one->name, getpid());
        one->run();
        fflush(stdout);
        _exit(0);
    }
    close(ends[1]);
    bool ended = read_reason(ends[0], reason, sizeof reason);
    close(ends[0]);
    if (!ended)
        kill(child, SIGKILL);
    waitpid(child, &status, 0);
    if (!ended)
        printf("not ok %s # still running after %d ms\n", one->name, CASE_MS);
    else if (WIFSIGNALED(status))
        printf("not ok %s # the client crashed: %s\n", one->name, strsignal(WTERMSIG(status)));
    else if (WEXITSTATUS(status) != 0)
        printf("not ok %s # %s\n", one->name, reason);
    else
        printf("ok %s\n", one->name);
    if (!ended || status != 0)
        heal();
    fflush(stdout);
}

int main(int argc, char **argv) {
    signal(SIGPIPE, SIG_IGN);
    zoo_set_debug_level(ZOO_LOG_LEVEL_ERROR);
    for (size_t group = 0; group < sizeof groups / sizeof groups[0]; group++)
        for (const struct test_case *one = groups[group]; one->name; one++) {
            bool chosen = argc == 1;
            for (int i = 1; i < argc; i++)
                chosen |= strcmp(argv[i], one->name) == 0;
            if (chosen)
                run_case(one);
        }
    return 0;
}

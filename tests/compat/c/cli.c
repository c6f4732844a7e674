/* The C client's own command line, cli_mt, driven as a person would. */
#include "harness.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

struct cli {
    pid_t process;
    int input, output;
    char seen[65536];
    size_t length;
};

/* Reads until the text was printed, and forgets everything up to its end. */
static void await_text(struct cli *cli, const char *text) {
    char *found;
    long long until = now_ms() + WAIT_MS;
    while ((found = memmem(cli->seen, cli->length, text, strlen(text))) == NULL) {
        if (now_ms() > until)
            FAIL("cli_mt did not print \"%s\" but: %.*s", text, (int)cli->length, cli->seen);
        ssize_t got = read(cli->output, cli->seen + cli->length, sizeof cli->seen - cli->length);
        if (got == 0)
            FAIL("cli_mt ended before it printed \"%s\"", text);
        if (got > 0)
            cli->length += (size_t)got;
        else
            usleep(10000);
    }
    found += strlen(text);
    cli->length -= (size_t)(found - cli->seen);
    memmove(cli->seen, found, cli->length);
}

static void start_cli(struct cli *cli) {
    int input[2], output[2];
    CHECK(pipe(input) == 0 && pipe(output) == 0);
    cli->length = 0;
    cli->process = fork();
    if (cli->process == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        dup2(input[0], STDIN_FILENO);
        dup2(output[1], STDOUT_FILENO);
        dup2(output[1], STDERR_FILENO);
        close(input[1]);
        close(output[0]);
        execl(getenv("CLI_MT"), "cli_mt", "-h", getenv("TK_CONNECT"), (char *)NULL);
        _exit(127);
    }
    close(input[0]);
    close(output[1]);
    cli->input = input[1];
    cli->output = output[0];
    fcntl(cli->output, F_SETFL, O_NONBLOCK);
    await_text(cli, "Got a new session id: 0x");
}

/* Types a command with a path below the root, and waits for the answer. */
static void type(struct cli *cli, const char *command, const char *suffix, const char *arguments,
                 const char *answer) {
    CHECK(dprintf(cli->input, "%s %s%s\n", command, below(suffix), arguments) > 0);
    await_text(cli, answer);
}

static void quit(struct cli *cli) {
    int status;
    CHECK(dprintf(cli->input, "quit\n") == 5);
    await_text(cli, "Quitting...");
    waitpid(cli->process, &status, 0);
    SAME(status, 0);
}

static void cli_walk_through(void) {
    struct cli cli;
    start_cli(&cli);
    type(&cli, "create", "", "", "rc = 0");
    type(&cli, "set", "", " hello", "rc = 0");
    type(&cli, "get", "", "", "value_len = 5\nhello");
    await_text(&cli, "version=1");
    type(&cli, "create +es", "/e-", "", "/e-0000000000\n");
    type(&cli, "create2 +e", "/f", "", "ephemeralOwner = ");
    type(&cli, "ls", "", "", "e-0000000000\n");
    type(&cli, "sync", "", "", "rc = 0");
    type(&cli, "get", "/missing", "", "rc = -101");
    type(&cli, "create", "", "", "rc = -110");
    type(&cli, "delete", "", "", "rc = -111");
    quit(&cli);
    zhandle_t *zh = open_client();
    SAME(child_count(zh, root), 0);
    OK(zookeeper_close(zh));
}

static void cli_is_told_of_changes(void) {
    struct cli cli;
    char wanted[PATH_SIZE * 2];
    start_cli(&cli);
    zhandle_t *zh = open_rooted();
    /* The answer to this goes to a buffer, but comes before the answer to the next. */
    type(&cli, "wexists", "", "", "");
    type(&cli, "get", "", "", "value_len = 0");
    OK(zoo_set(zh, root, "x", 1, -1));
    snprintf(wanted, sizeof wanted, "CHANGED_EVENT state = CONNECTED_STATE for path %s", root);
    await_text(&cli, wanted);
    quit(&cli);
    OK(zookeeper_close(zh));
}

const struct test_case cli_cases[] = {
    {"cli-walk-through", cli_walk_through},
    {"cli-is-told-of-changes", cli_is_told_of_changes},
    {NULL, NULL},
};

/* The server under test as seen from outside. */
#include "harness.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static int port_of(const char *variable) {
    const char *colon = strrchr(getenv(variable), ':');
    CHECK(colon != NULL);
    return atoi(colon + 1);
}

void control(const char *word) {
    struct sockaddr_in address = {
        .sin_family = AF_INET,
        .sin_port = htons(port_of("TK_CONTROL")),
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
    };
    char answer[256] = "";
    int connection = socket(AF_INET, SOCK_STREAM, 0);
    CHECK(connect(connection, (struct sockaddr *)&address, sizeof address) == 0);
    CHECK(dprintf(connection, "%s\n", word) > 0);
    for (size_t length = 0; strchr(answer, '\n') == NULL;) {
        ssize_t got = read(connection, answer + length, sizeof answer - 1 - length);
        CHECK(got > 0);
        length += (size_t)got;
    }
    close(connection);
    if (strcmp(answer, "done\n") != 0)
        FAIL("control %s: %s", word, answer);
}

void cut_connections(void) {
    int server = port_of("TK_CONNECT");
    for (int descriptor = 3; descriptor < 256; descriptor++) {
        struct sockaddr_in peer;
        socklen_t length = sizeof peer;
        if (getpeername(descriptor, (struct sockaddr *)&peer, &length) == 0 &&
            peer.sin_family == AF_INET && ntohs(peer.sin_port) == server)
            shutdown(descriptor, SHUT_RDWR);
    }
}

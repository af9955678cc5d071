// SPDX-License-Identifier: MIT OR Apache-2.0

// Looks names up and connects to where they lead, by the C library that it is linked with: lookup PORT NAME...

#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

int main(int argc, char **argv) {
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
    for (int i = 2; i < argc; i++) {
        struct addrinfo *found;
        int failed = getaddrinfo(argv[i], argv[1], &hints, &found);
        if (failed) {
            printf("%s: %s\n", argv[i], gai_strerror(failed));
            continue;
        }
        for (struct addrinfo *at = found; at; at = at->ai_next) {
            char address[64];
            getnameinfo(at->ai_addr, at->ai_addrlen, address, sizeof address, NULL, 0, NI_NUMERICHOST);
            int fd = socket(at->ai_family, at->ai_socktype, 0);
            int refused = connect(fd, at->ai_addr, at->ai_addrlen);
            printf("%s: %s %s\n", argv[i], address, refused ? strerror(errno) : "connected");
            close(fd);
        }
        freeaddrinfo(found);
    }
    return 0;
}

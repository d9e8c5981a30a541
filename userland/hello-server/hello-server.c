/* hello-server.c - the smallest server: check in under a name, serve one routine. */
#include <portolan/portolan.h>
#include <portolan/server_loop.h>
#include <stdio.h>

#include "greet_server.h"

/* Called by the stub for each request. */
kern_return_t serve_greet(mach_port_t server, const char *name, greeting_t greeting)
{
    (void)server;
    if (name[0] == '\0') {
        return KERN_INVALID_ARGUMENT;
    }
    snprintf(greeting, GREETING_MAX, "Hello, %.100s!", name);
    return KERN_SUCCESS;
}

int main(void)
{
    struct server server = {.demux = greet_server};

    if (portolan_check_in("hello", &server.receive) != KERN_SUCCESS) {
        portolan_print(
            "hello-server: cannot check in as `hello`: is it a service of the manifest?\n");
        return 1;
    }
    server_loop(&server);
}

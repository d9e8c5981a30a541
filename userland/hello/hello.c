/* hello.c - the client of the smallest server: find the service, call its routine. */
#include <portolan/error.h>
#include <portolan/portolan.h>
#include <stdio.h>

#include "greet.h"

int main(int argc, char **argv)
{
    const char *name = argc > 1 ? argv[1] : "world";
    greeting_t greeting;
    mach_port_t server;
    kern_return_t kr;

    kr = portolan_look_up("hello", &server);
    if (kr != KERN_SUCCESS) {
        fprintf(stderr, "hello: the service `hello` is not there: %s\n", mach_error_string(kr));
        return 1;
    }
    kr = greet(server, name, greeting);
    if (kr != KERN_SUCCESS) {
        fprintf(stderr, "hello: no greeting for `%s`: %s\n", name, mach_error_string(kr));
        return 1;
    }
    printf("%s\n", greeting);
    return 0;
}

/* main.c - the shell: lines from the console, from a script, or from -c.
 *
 * usage: sh [-l] [-c TEXT | SCRIPT [ARGUMENT...]] */
#include <errno.h>
#include <limits.h>
#include <mach/portolan.h>
#include <portolan/portolan.h>
#include <portolan/thread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <mach_host.h>
#include <portolan.h>

#include "program.h"
#include "sh_impl.h"

#define USAGE         "sh [-l] [-c TEXT | SCRIPT [ARGUMENT...]]"
#define READ_TRIES    20
#define READ_PAUSE_MS 250
#define PAGE_KIB      4
#define NS_PER_S      1000000000LL

struct shell shell = {.name = "sh"};

/* How long the system took to come here, and what it takes: `make bench` reads this line. */
static void show_ready(void)
{
    portolan_counts_t counts = {0};
    mach_msg_type_number_t count = PORTOLAN_NUMBERS_MAX;
    time_value64_t up = {0};
    long long used;

    if (host_get_uptime64(mach_host_self(), &up) != KERN_SUCCESS ||
        host_object_counts(mach_host_self(), counts, &count) != KERN_SUCCESS) {
        return;
    }
    used = counts[PORTOLAN_COUNT_TOTAL_PAGES] - counts[PORTOLAN_COUNT_FREE_PAGES];
    printf("ready after %lld ns, %lld KiB in use\n",
           (long long)up.seconds * NS_PER_S + (long long)up.nanoseconds, used * PAGE_KIB);
}

static void show_motd(void)
{
    FILE *file = fopen("/etc/motd", "re");
    int c;

    while (file != NULL && (c = fgetc(file)) != EOF) {
        putchar(c);
    }
    if (file != NULL) {
        fclose(file);
    }
}

static void prompt(void)
{
    char path[PATH_MAX];

    if (getcwd(path, sizeof(path)) == NULL) {
        strcpy(path, "?");
    }
    printf("%s $ ", path);
    fflush(stdout);
}

/* A line from the console. A console that was started anew is waited for: false at the end of input
 * or when it does not come back. */
static bool read_line(char **line, size_t *size)
{
    for (unsigned i = 0; i < READ_TRIES; i++) {
        if (getline(line, size, stdin) >= 0) {
            return true;
        }
        if (feof(stdin)) {
            return false;
        }
        clearerr(stdin);
        portolan_sleep(READ_PAUSE_MS);
        prompt();
    }
    return false;
}

static void run_interactive(void)
{
    char *line = NULL;
    size_t size = 0;

    while (!shell.stopped) {
        jobs_report();
        prompt();
        if (!read_line(&line, &size)) {
            printf("exit\n");
            break;
        }
        command_run_line(line);
    }
    free(line);
}

static void run_script(const char *path)
{
    FILE *file = fopen(path, "re");

    if (file == NULL) {
        program_say("%s: %s", path, strerror(errno));
        shell.status = STATUS_NOT_FOUND;
        return;
    }
    shell.name = path;
    builtin_run_file(file);
    fclose(file);
}

int main(int argc, char **argv)
{
    int next = 1;

    program_start(argv);
    jobs_init();
    if (next < argc && strcmp(argv[next], "-l") == 0) {
        show_ready();
        show_motd();
        next++;
    }
    if (next < argc && strcmp(argv[next], "-c") == 0) {
        if (argc != next + 2) {
            program_usage(USAGE);
        }
        command_run_line(argv[next + 1]);
    } else if (next < argc && argv[next][0] == '-') {
        program_usage(USAGE);
    } else if (next < argc) {
        shell.arguments = argv + next + 1;
        shell.argument_count = argc - next - 1;
        run_script(argv[next]);
    } else if (shell.console != MACH_PORT_NULL) {
        shell.interactive = true;
        run_interactive();
    } else {
        builtin_run_file(stdin);
    }
    return shell.status;
}

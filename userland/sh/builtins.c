/* builtins.c - commands that change the shell itself. */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "program.h"
#include "sh_impl.h"
#include "shutdown.h"

static int builtin_usage(const char *text)
{
    fprintf(stderr, "usage: %s\n", text);
    return STATUS_USAGE;
}

static int builtin_cd(char **words)
{
    const char *home = getenv("HOME");
    const char *path = words[1] != NULL ? words[1] : home != NULL ? home : "/";

    if (words[1] != NULL && words[2] != NULL) {
        return builtin_usage("cd [DIRECTORY]");
    }
    if (chdir(path) != 0) {
        program_say("cd: %s: %s", path, strerror(errno));
        return 1;
    }
    return 0;
}

static int builtin_pwd(char **words)
{
    char path[PATH_MAX];

    (void)words;
    if (getcwd(path, sizeof(path)) == NULL) {
        program_say("pwd: %s", strerror(errno));
        return 1;
    }
    printf("%s\n", path);
    return 0;
}

static int builtin_exit(char **words)
{
    int status = shell.status;

    if (words[1] != NULL) {
        char *end;

        status = (int)strtol(words[1], &end, 10);
        if (*end != '\0' || words[1][0] == '\0' || words[2] != NULL) {
            return builtin_usage("exit [STATUS]");
        }
    }
    shell.stopped = true;
    return status & 0xff;
}

static int builtin_wait(char **words)
{
    if (words[1] != NULL) {
        return builtin_usage("wait");
    }
    jobs_wait();
    return shell.status;
}

static int builtin_source(char **words)
{
    FILE *file;

    if (words[1] == NULL || words[2] != NULL) {
        return builtin_usage(". FILE");
    }
    file = fopen(words[1], "re");
    if (file == NULL) {
        program_say("%s: %s", words[1], strerror(errno));
        return 1;
    }
    builtin_run_file(file);
    fclose(file);
    return shell.status;
}

/* All variables are given to programs, so this only sets them. */
static int builtin_export(char **words)
{
    for (unsigned i = 1; words[i] != NULL; i++) {
        if (strchr(words[i], '=') != NULL && !builtin_assign(words[i])) {
            program_say("export: `%s` is not NAME=VALUE", words[i]);
            return STATUS_USAGE;
        }
    }
    return 0;
}

static int builtin_unset(char **words)
{
    for (unsigned i = 1; words[i] != NULL; i++) {
        unsetenv(words[i]);
    }
    return 0;
}

/* As the programs of these names, which could not be loaded while the file server hangs. */
static int builtin_shutdown(char **words)
{
    if (words[1] != NULL) {
        return builtin_usage(words[0]);
    }
    program_check(shutdown_machine(strcmp(words[0], "reboot") == 0), words[0]);
    return 1;
}

static int builtin_help(char **words)
{
    (void)words;
    printf("The shell's own commands: cd pwd exit wait . export unset\n    poweroff reboot help\n"
           "Programs: ls /bin      Joining: ; & && ||      Files: < > >> 2> 2>>\n"
           "Variables: NAME=VALUE $NAME ${NAME} $? $0 $1 $# $@\n");
    return 0;
}

bool builtin_run(char **words)
{
    static const struct {
        const char *name;
        int (*run)(char **words);
    } builtins[] = {
        {"cd", builtin_cd},           {"pwd", builtin_pwd},
        {"exit", builtin_exit},       {"wait", builtin_wait},
        {".", builtin_source},        {"source", builtin_source},
        {"export", builtin_export},   {"unset", builtin_unset},
        {"help", builtin_help},       {"poweroff", builtin_shutdown},
        {"reboot", builtin_shutdown},
    };

    for (unsigned i = 0; i < sizeof(builtins) / sizeof(builtins[0]); i++) {
        if (strcmp(words[0], builtins[i].name) == 0) {
            shell.status = builtins[i].run(words);
            return true;
        }
    }
    return false;
}

bool builtin_assign(const char *word)
{
    size_t n = strspn(word, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_0123456789");
    char *name;

    if (n == 0 || word[n] != '=' || (word[0] >= '0' && word[0] <= '9')) {
        return false;
    }
    name = strndup(word, n);
    if (name == NULL || setenv(name, word + n + 1, 1) != 0) {
        program_say("out of memory");
    }
    free(name);
    return true;
}

void builtin_run_file(void *stream)
{
    char *line = NULL;
    size_t size = 0;

    while (!shell.stopped && getline(&line, &size, stream) >= 0) {
        command_run_line(line);
    }
    free(line);
}

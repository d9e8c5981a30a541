/* command.c - running a line: simple commands, && and || between them, ; and & behind them. */
#include <errno.h>
#include <fcntl.h>
#include <mach_port.h>
#include <portolan/errno.h>
#include <portolan/portolan.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "program.h"
#include "sh_impl.h"

#define REDIRECTIONS_MAX 8
#define FILE_MODE        0666
#define FIRST_SAVED      10 /* descriptors from here on keep the shell's own */

/* One command with what goes where. */
struct command {
    char *words[WORDS_MAX];
    unsigned word_count;
    struct redirection redirections[REDIRECTIONS_MAX];
    unsigned redirection_count;
};

static void command_free(struct command *command)
{
    for (unsigned i = 0; i < command->word_count; i++) {
        free(command->words[i]);
    }
    for (unsigned i = 0; i < command->redirection_count; i++) {
        mach_port_deallocate(mach_task_self(), command->redirections[i].object);
    }
}

static bool command_is_redirection(enum token_kind kind)
{
    return kind >= TOKEN_INPUT && kind <= TOKEN_ERRORS_APPEND;
}

static bool command_open(struct command *command, enum token_kind kind, const char *path)
{
    bool append = kind == TOKEN_APPEND || kind == TOKEN_ERRORS_APPEND;
    int flags = kind == TOKEN_INPUT ? O_RDONLY : O_WRONLY | O_CREAT | (append ? O_APPEND : O_TRUNC);
    struct redirection *redirection = &command->redirections[command->redirection_count];
    kern_return_t kr = portolan_open(path, flags, FILE_MODE, &redirection->object);

    if (kr != KERN_SUCCESS) {
        int error = portolan_errno(kr);

        program_say("%s: %s", path,
                    error == EROFS ? "the boot archive is read-only; nothing can be written there"
                                   : strerror(error));
        return false;
    }
    redirection->fd = kind == TOKEN_INPUT                            ? 0
                      : kind == TOKEN_OUTPUT || kind == TOKEN_APPEND ? 1
                                                                     : 2;
    command->redirection_count++;
    return true;
}

/* The redirection at a token; its file is the token after it. */
static bool command_redirect(struct command *command, const struct token *token)
{
    char *words[WORDS_MAX];
    unsigned count = 0;
    bool good = false;

    if (token[1].kind != TOKEN_WORD) {
        program_say("`%.*s` needs a file", (int)token->length, token->text);
        return false;
    }
    if (command->redirection_count == REDIRECTIONS_MAX) {
        program_say("more than %d redirections", REDIRECTIONS_MAX);
        return false;
    }
    if (expand_word(&token[1], words, &count)) {
        good = count == 1 && command_open(command, token->kind, words[0]);
        if (count != 1) {
            program_say("`%.*s` needs one file", (int)token->length, token->text);
        }
    }
    for (unsigned i = 0; i < count; i++) {
        free(words[i]);
    }
    return good;
}

/* Put a command together. Returns: false with a sentence said. */
static bool command_build(struct command *command, const struct token *token, size_t count)
{
    command->word_count = 0;
    command->redirection_count = 0;
    command->words[0] = NULL;
    for (size_t i = 0; i < count; i++) {
        if (command_is_redirection(token[i].kind)) {
            if (!command_redirect(command, &token[i])) {
                return false;
            }
            i++;
        } else if (!expand_word(&token[i], command->words, &command->word_count)) {
            return false;
        }
    }
    return true;
}

/* Have the object behind a descriptor of the shell. */
static void command_put_descriptor(mach_port_t object, int fd)
{
    int file;

    mach_port_mod_refs(mach_task_self(), object, MACH_PORT_RIGHT_SEND, 1);
    file = portolan_fd_open(object, O_RDWR | O_CLOEXEC);
    if (file < 0) {
        mach_port_deallocate(mach_task_self(), object);
        return;
    }
    dup2(file, fd);
    close(file);
}

/* A command of the shell's own writes where it is told, then standard output is as before. */
static bool command_builtin(struct command *command)
{
    int saved[3] = {-1, -1, -1};
    bool found;

    for (unsigned i = 0; i < command->redirection_count; i++) {
        int fd = command->redirections[i].fd;

        if (saved[fd] < 0) {
            saved[fd] = fcntl(fd, F_DUPFD_CLOEXEC, FIRST_SAVED);
        }
        command_put_descriptor(command->redirections[i].object, fd);
    }
    found = builtin_run(command->words);
    fflush(stdout);
    for (int fd = 0; fd < 3; fd++) {
        if (saved[fd] >= 0) {
            dup2(saved[fd], fd);
            close(saved[fd]);
        }
    }
    return found;
}

/* Words NAME=VALUE in front: they set variables. Returns: how many there are. */
static unsigned command_assign(struct command *command)
{
    unsigned n = 0;

    while (n < command->word_count && builtin_assign(command->words[n])) {
        n++;
    }
    return n;
}

static void command_run(const struct token *token, size_t count, bool background)
{
    struct command *command = calloc(1, sizeof(*command));
    unsigned assigned;

    if (command == NULL || !command_build(command, token, count)) {
        shell.status = STATUS_USAGE;
    } else {
        assigned = command_assign(command);
        if (assigned == command->word_count) {
            shell.status = 0;
        } else if (assigned > 0 || background || !command_builtin(command)) {
            jobs_run(command->words + assigned, command->redirections, command->redirection_count,
                     background);
        }
    }
    if (command != NULL) {
        command_free(command);
    }
    free(command);
}

/* Tokens up to the next operator that ends a command. */
static size_t command_length(const struct token *token)
{
    size_t n = 0;

    while (token[n].kind == TOKEN_WORD || command_is_redirection(token[n].kind)) {
        n++;
    }
    return n;
}

/* Commands joined by && and ||, from *token on, which moves to the operator behind them. */
static void command_run_chain(const struct token **token)
{
    const struct token *at = *token;
    bool run = true;

    for (;;) {
        size_t n = command_length(at);

        if (run && !shell.stopped) {
            command_run(at, n, false);
        }
        at += n;
        if (at->kind != TOKEN_AND && at->kind != TOKEN_OR) {
            break;
        }
        run = (at->kind == TOKEN_AND) == (shell.status == 0);
        at++;
    }
    *token = at;
}

/* Where a chain ends, whether it is more than a command. Returns: false when it is wrong. */
static bool command_check_chain(const struct token *token, const struct token **end, bool *joined)
{
    *joined = false;
    for (;;) {
        size_t n = command_length(token);

        if (n == 0) {
            program_say("a command is missing before `%.*s`",
                        token->kind == TOKEN_END ? 11 : (int)token->length,
                        token->kind == TOKEN_END ? "end of line" : token->text);
            return false;
        }
        token += n;
        if (token->kind != TOKEN_AND && token->kind != TOKEN_OR) {
            *end = token;
            return true;
        }
        *joined = true;
        token++;
    }
}

/* A chain in the background: another shell runs it. */
static void command_run_behind(const struct token *first, const struct token *end, bool joined)
{
    char *text;
    char *words[] = {"/bin/sh", "-c", NULL, NULL};

    if (!joined) {
        command_run(first, (size_t)(end - first), true);
        return;
    }
    text = strndup(first->text, (size_t)(end->text - first->text));
    if (text == NULL) {
        program_say("out of memory");
        return;
    }
    words[2] = text;
    jobs_run(words, NULL, 0, true);
    free(text);
}

void command_run_line(const char *line)
{
    struct token *tokens;
    const struct token *at;

    if (tokens_split(line, &tokens) == 0) {
        shell.status = STATUS_USAGE;
        return;
    }
    for (at = tokens; at->kind != TOKEN_END && !shell.stopped;) {
        const struct token *end;
        bool joined;

        if (!command_check_chain(at, &end, &joined)) {
            shell.status = STATUS_USAGE;
            break;
        }
        if (end->kind == TOKEN_BACKGROUND) {
            command_run_behind(at, end, joined);
            at = end;
        } else {
            command_run_chain(&at);
        }
        at += at->kind == TOKEN_SEMICOLON || at->kind == TOKEN_BACKGROUND;
    }
    free(tokens);
}

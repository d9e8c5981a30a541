/* sh_impl.h - what the parts of the shell share. */
#ifndef SH_IMPL_H
#define SH_IMPL_H

#include <mach/port.h>
#include <stdbool.h>
#include <stddef.h>

#define WORDS_MAX 256

struct shell {
    int status; /* $? */
    bool interactive;
    bool stopped;     /* exit was run, or Ctrl-C ended a script */
    const char *name; /* $0 */
    char **arguments; /* $1 ..., ended by NULL */
    int argument_count;
    mach_port_t console; /* the console behind standard input, or MACH_PORT_NULL */
};

extern struct shell shell;

/* tokens.c */

enum token_kind {
    TOKEN_WORD,
    TOKEN_SEMICOLON,
    TOKEN_BACKGROUND,
    TOKEN_AND,
    TOKEN_OR,
    TOKEN_INPUT,         /* < */
    TOKEN_OUTPUT,        /* > */
    TOKEN_APPEND,        /* >> */
    TOKEN_ERRORS,        /* 2> */
    TOKEN_ERRORS_APPEND, /* 2>> */
    TOKEN_END,
};

struct token {
    enum token_kind kind;
    const char *text; /* in the line, quotes and variables as they stand */
    size_t length;
};

/* Cut a line into tokens, the last of kind TOKEN_END.
 * Returns: their number, 0 with a sentence said when the line is wrong. Free with free(). */
size_t tokens_split(const char *line, struct token **tokens);

/* expand.c */

/* Put the words a token stands for behind the count ones in words (ended by NULL).
 * Returns: false with a sentence said when there are too many. Free the words with free(). */
bool expand_word(const struct token *token, char **words, unsigned *count);

/* command.c */

/* Run a line: lists of commands joined by ; & && ||. */
void command_run_line(const char *line);

/* builtins.c */

/* Run a command of the shell's own. Returns: false when it is none; else shell.status is set. */
bool builtin_run(char **words);
/* Run the lines of an open file. */
void builtin_run_file(void *stream);
/* Is the word NAME=VALUE? Then set the variable. */
bool builtin_assign(const char *word);

/* jobs.c */

struct redirection {
    int fd;             /* 0, 1 or 2 */
    mach_port_t object; /* send right */
};

/* Start a program; with background it becomes a job, else wait for it. Sets shell.status. */
void jobs_run(char **words, const struct redirection *redirections, unsigned count,
              bool background);
/* Tell of jobs that ended. */
void jobs_report(void);
/* Wait for all jobs. */
void jobs_wait(void);
/* Find out whether there is a console, and take Ctrl-C from it. */
void jobs_init(void);

#endif

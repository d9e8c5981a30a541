/* expand.c - what a word stands for: quotes off, variables replaced, unquoted values cut at blanks.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "program.h"
#include "sh_impl.h"

#define WORD_MAX       4096
#define NAME_MAX_BYTES 64

/* The words being made. */
struct expansion {
    char text[WORD_MAX];
    size_t length;
    bool begun; /* there is a word, perhaps empty */
    char **words;
    unsigned *count;
    bool failed;
};

static void expansion_put(struct expansion *e, char c)
{
    if (e->length + 1 >= WORD_MAX) {
        if (!e->failed) {
            program_say("a word is longer than %d bytes", WORD_MAX - 1);
        }
        e->failed = true;
        return;
    }
    e->text[e->length] = c;
    e->length++;
    e->begun = true;
}

static void expansion_end_word(struct expansion *e)
{
    if (!e->begun || e->failed) {
        return;
    }
    if (*e->count + 1 >= WORDS_MAX) {
        program_say("more than %d words in a command", WORDS_MAX - 1);
        e->failed = true;
        return;
    }
    e->words[*e->count] = strndup(e->text, e->length);
    e->failed = e->words[*e->count] == NULL;
    *e->count += 1;
    e->length = 0;
    e->begun = false;
}

static void expansion_value(struct expansion *e, const char *value, bool quoted)
{
    for (; *value != '\0'; value++) {
        if (!quoted && (*value == ' ' || *value == '\t' || *value == '\n')) {
            expansion_end_word(e);
        } else {
            expansion_put(e, *value);
        }
    }
}

static void expansion_number(struct expansion *e, long number, bool quoted)
{
    char text[24];

    snprintf(text, sizeof(text), "%ld", number);
    expansion_value(e, text, quoted);
}

static void expansion_all_arguments(struct expansion *e, bool quoted)
{
    for (int i = 0; i < shell.argument_count; i++) {
        if (i > 0) {
            expansion_end_word(e);
        }
        e->begun = e->begun || quoted;
        expansion_value(e, shell.arguments[i], quoted);
    }
}

/* A variable of one character: $? $$ $# $0 $1 ... Returns: false when it is none. */
static bool expansion_special(struct expansion *e, char c, bool quoted)
{
    if (c == '?') {
        expansion_number(e, shell.status, quoted);
    } else if (c == '$') {
        expansion_number(e, getpid(), quoted);
    } else if (c == '#') {
        expansion_number(e, shell.argument_count, quoted);
    } else if (c == '@' || c == '*') {
        expansion_all_arguments(e, quoted);
    } else if (c == '0') {
        expansion_value(e, shell.name, quoted);
    } else if (c >= '1' && c <= '9') {
        if (c - '0' <= shell.argument_count) {
            expansion_value(e, shell.arguments[c - '1'], quoted);
        }
    } else {
        return false;
    }
    return true;
}

static size_t name_length(const char *text)
{
    size_t n = strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_0123456789");

    return *text >= '0' && *text <= '9' ? 0 : n;
}

/* From a dollar sign on; returns how many bytes of the word that was. */
static size_t expansion_variable(struct expansion *e, const char *text, bool quoted)
{
    bool braces = text[1] == '{';
    const char *start = text + 1 + braces;
    size_t length = name_length(start);
    char name[NAME_MAX_BYTES];
    const char *value;

    if (length == 0 && expansion_special(e, *start, quoted)) {
        return (size_t)(start - text) + 1 + (braces && start[1] == '}');
    }
    if (length == 0 || length >= sizeof(name) || (braces && start[length] != '}')) {
        expansion_put(e, '$');
        return 1;
    }
    snprintf(name, sizeof(name), "%.*s", (int)length, start);
    value = getenv(name);
    expansion_value(e, value != NULL ? value : "", quoted);
    return (size_t)(start - text) + length + braces;
}

static size_t expansion_double_quoted(struct expansion *e, const char *text)
{
    size_t n = 1;

    e->begun = true;
    while (text[n] != '"') {
        if (text[n] == '\\' && strchr("\\\"$`", text[n + 1]) != NULL) {
            expansion_put(e, text[n + 1]);
            n += 2;
        } else if (text[n] == '$') {
            n += expansion_variable(e, text + n, true);
        } else {
            expansion_put(e, text[n]);
            n++;
        }
    }
    return n + 1;
}

static size_t expansion_single_quoted(struct expansion *e, const char *text)
{
    size_t n = 1;

    e->begun = true;
    while (text[n] != '\'') {
        expansion_put(e, text[n]);
        n++;
    }
    return n + 1;
}

bool expand_word(const struct token *token, char **words, unsigned *count)
{
    static struct expansion e;
    size_t n = 0;

    e = (struct expansion){.words = words, .count = count};
    while (n < token->length) {
        const char *at = token->text + n;

        if (*at == '\'') {
            n += expansion_single_quoted(&e, at);
        } else if (*at == '"') {
            n += expansion_double_quoted(&e, at);
        } else if (*at == '$' && n + 1 < token->length) {
            n += expansion_variable(&e, at, false);
        } else if (*at == '\\' && n + 1 < token->length) {
            expansion_put(&e, at[1]);
            n += 2;
        } else {
            expansion_put(&e, *at);
            n++;
        }
    }
    expansion_end_word(&e);
    words[*count] = NULL;
    return !e.failed;
}

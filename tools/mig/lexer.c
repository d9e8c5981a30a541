/* lexer.c - tokens of preprocessed source. Lines "# 12 "file"" say where the text came from. */
#include "mig.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

static char *lexer_at;         /* next character */
static char *lexer_line_start; /* of the line lexer_at is in */
static const char *lexer_file;
static unsigned lexer_line;
static char *lexer_comment; /* since the last token */

static void lexer_marker(void);

void lexer_start(char *text, const char *file)
{
    lexer_at = text;
    lexer_line_start = text;
    lexer_file = file;
    lexer_line = 1;
    lexer_comment = NULL;
    if (*text == '#') {
        lexer_marker();
    }
}

static void lexer_place(struct mig_place *place)
{
    place->file = lexer_file;
    place->line = lexer_line;
    place->column = (unsigned)(lexer_at - lexer_line_start) + 1;
    place->text = lexer_line_start;
}

/* lexer_at is just behind a newline, or at the start. */
static void lexer_new_line(void)
{
    lexer_line = lexer_line + 1;
    lexer_line_start = lexer_at;
    if (*lexer_at == '#') {
        lexer_marker();
    }
}

/* At "# 12 "file" flags": the next line is line 12 of that file. Other lines with # are skipped. */
static void lexer_marker(void)
{
    char *p = lexer_at + 1;
    while (*p == ' ' || *p == '\t') {
        p = p + 1;
    }
    if (isdigit((unsigned char)*p)) {
        unsigned line = (unsigned)strtoul(p, &p, 10);
        char *quote = strchr(p, '"');
        char *end_of_line = strchr(p, '\n');
        if (quote != NULL && (end_of_line == NULL || quote < end_of_line)) {
            size_t length = strcspn(quote + 1, "\"\n");
            lexer_file = mig_format("%.*s", (int)length, quote + 1);
        }
        lexer_line = line - 1;
    }
    lexer_at = lexer_at + strcspn(lexer_at, "\n");
    if (*lexer_at == '\n') {
        lexer_at = lexer_at + 1;
        lexer_new_line();
    }
}

/* At the two characters that begin a comment. */
static void lexer_block_comment(void)
{
    struct mig_place place;
    lexer_place(&place);
    char *start = lexer_at + 2;
    lexer_at = start;
    while (!(lexer_at[0] == '*' && lexer_at[1] == '/')) {
        if (*lexer_at == '\0') {
            mig_error(&place, "the comment does not end");
        }
        lexer_at = lexer_at + 1;
        if (lexer_at[-1] == '\n') {
            lexer_line = lexer_line + 1;
            lexer_line_start = lexer_at;
        }
    }
    lexer_comment = mig_format("%.*s", (int)(lexer_at - start), start);
    lexer_at = lexer_at + 2;
}

static void lexer_skip_space(void)
{
    for (;;) {
        if (*lexer_at == '\n') {
            lexer_at = lexer_at + 1;
            lexer_new_line();
        } else if (*lexer_at != '\0' && isspace((unsigned char)*lexer_at)) {
            lexer_at = lexer_at + 1;
        } else if (lexer_at[0] == '/' && lexer_at[1] == '*') {
            lexer_block_comment();
        } else if (lexer_at[0] == '/' && lexer_at[1] == '/') {
            lexer_at = lexer_at + strcspn(lexer_at, "\n");
        } else {
            return;
        }
    }
}

static void lexer_begin(struct mig_token *token)
{
    lexer_skip_space();
    memset(token, 0, sizeof(*token));
    lexer_place(&token->place);
    token->comment = lexer_comment;
    lexer_comment = NULL;
}

static void lexer_finish(struct mig_token *token, enum mig_token_kind kind, size_t length)
{
    token->kind = kind;
    token->text = mig_format("%.*s", (int)length, lexer_at);
    lexer_at = lexer_at + length;
}

static void lexer_number(struct mig_token *token)
{
    char *end;
    token->number = strtoull(lexer_at, &end, 0);
    if (isalnum((unsigned char)*end) || *end == '_') {
        mig_error(&token->place, "this is not a number");
    }
    if (token->number > UINT32_MAX) {
        mig_error(&token->place, "the number is too large");
    }
    lexer_finish(token, TOKEN_NUMBER, (size_t)(end - lexer_at));
}

void lexer_next(struct mig_token *token)
{
    lexer_begin(token);
    if (*lexer_at == '\0') {
        token->kind = TOKEN_END;
        token->text = "end of file";
    } else if (isdigit((unsigned char)*lexer_at)) {
        lexer_number(token);
    } else if (isalpha((unsigned char)*lexer_at) || *lexer_at == '_') {
        size_t length = 1;
        while (isalnum((unsigned char)lexer_at[length]) || lexer_at[length] == '_') {
            length = length + 1;
        }
        lexer_finish(token, TOKEN_NAME, length);
    } else if (strchr(";:,()[]{}=|*^+-/.", *lexer_at) != NULL) {
        lexer_finish(token, TOKEN_PUNCTUATION, 1);
    } else {
        mig_error(&token->place, "unexpected character '%c'", *lexer_at);
    }
}

void lexer_next_file(struct mig_token *token)
{
    lexer_begin(token);
    char close = *lexer_at == '<' ? '>' : '"';
    if (*lexer_at != '<' && *lexer_at != '"') {
        mig_error(&token->place, "expected <file> or \"file\"");
    }
    size_t length = 1;
    while (lexer_at[length] != close) {
        if (lexer_at[length] == '\0' || lexer_at[length] == '\n') {
            mig_error(&token->place, "the file name does not end");
        }
        length = length + 1;
    }
    lexer_finish(token, TOKEN_STRING, length + 1);
}

/* tokens.c - a line of the shell in words and operators. Quotes stay: expand.c takes them off. */
#include <stdlib.h>
#include <string.h>

#include "program.h"
#include "sh_impl.h"

static const struct {
    const char *text;
    enum token_kind kind;
} operators[] = {
    /* longer ones first */
    {"2>>", TOKEN_ERRORS_APPEND}, {"&&", TOKEN_AND},    {"||", TOKEN_OR},
    {">>", TOKEN_APPEND},         {"2>", TOKEN_ERRORS}, {";", TOKEN_SEMICOLON},
    {"&", TOKEN_BACKGROUND},      {"<", TOKEN_INPUT},   {">", TOKEN_OUTPUT},
};

/* Bytes of a quoted part from its opening quote on; 0 when it is not closed. */
static size_t quoted_length(const char *text)
{
    size_t n = 1;

    while (text[n] != '\0' && text[n] != text[0]) {
        n += text[0] == '"' && text[n] == '\\' && text[n + 1] != '\0' ? 2 : 1;
    }
    return text[n] == '\0' ? 0 : n + 1;
}

/* Bytes of the word text begins with; 0 with a sentence said when it is wrong. */
static size_t word_length(const char *text)
{
    size_t n = 0;

    while (text[n] != '\0' && strchr(" \t\n;&|<>", text[n]) == NULL) {
        size_t part = 1;

        if (text[n] == '\'' || text[n] == '"') {
            part = quoted_length(text + n);
            if (part == 0) {
                program_say("a quote (%c) is not closed", text[n]);
                return 0;
            }
        } else if (text[n] == '\\' && text[n + 1] != '\0') {
            part = 2;
        }
        n += part;
    }
    if (n == 0) {
        program_say("`%c` is not understood here: there are no pipes", text[0]);
    }
    return n;
}

static void token_next(const char *text, struct token *token)
{
    token->text = text;
    for (size_t i = 0; i < sizeof(operators) / sizeof(operators[0]); i++) {
        size_t length = strlen(operators[i].text);

        if (strncmp(text, operators[i].text, length) == 0) {
            token->kind = operators[i].kind;
            token->length = length;
            return;
        }
    }
    token->kind = TOKEN_WORD;
    token->length = word_length(text);
}

size_t tokens_split(const char *line, struct token **tokens)
{
    struct token *list = calloc(strlen(line) + 1, sizeof(*list));
    size_t count = 0;

    if (list == NULL) {
        program_say("out of memory");
        return 0;
    }
    for (line += strspn(line, " \t\n"); *line != '\0' && *line != '#';
         line += strspn(line, " \t\n")) {
        token_next(line, &list[count]);
        if (list[count].length == 0) {
            free(list);
            return 0;
        }
        line += list[count].length;
        count++;
    }
    list[count] = (struct token){TOKEN_END, line, 0};
    *tokens = list;
    return count + 1;
}

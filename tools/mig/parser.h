/* parser.h - what parser.c and parser_type.c share: the current token and how to consume it. */
#ifndef MIG_PARSER_H
#define MIG_PARSER_H

#include <strings.h>

#include "mig.h"

extern struct mig_token parser_token;

void parser_advance(void);
bool parser_is(const char *text); /* words without regard to case */
bool parser_accept(const char *text);
void parser_expect(const char *text);
char *parser_name(const char *what);
unsigned parser_number(void); /* with + - * / and parentheses */

/* "name = type options", after the word type. */
void parser_type_statement(void);
/* The type of an argument: a name, a definition, or "name = definition". */
struct mig_type *parser_argument_type(void);

#endif

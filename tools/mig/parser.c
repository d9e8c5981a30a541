/* parser.c - statements of an interface definition: subsystem, imports, options, routines.
 * Recursive descent over one token of look-ahead; types are read by parser_type.c. */
#include "parser.h"

#include <string.h>

struct mig_token parser_token;

static struct mig_subsystem *subsystem;
static unsigned routine_room;
static char *user_prefix, *server_prefix, *default_msgoption, *default_waittime;
static bool server_prefix_fixed;

void parser_advance(void)
{
    lexer_next(&parser_token);
}

bool parser_is(const char *text)
{
    return parser_token.kind != TOKEN_STRING && parser_token.kind != TOKEN_END &&
           strcasecmp(parser_token.text, text) == 0;
}

bool parser_accept(const char *text)
{
    if (!parser_is(text)) {
        return false;
    }
    parser_advance();
    return true;
}

void parser_expect(const char *text)
{
    if (!parser_accept(text)) {
        mig_error(&parser_token.place, "expected '%s' before '%s'", text, parser_token.text);
    }
}

char *parser_name(const char *what)
{
    if (parser_token.kind != TOKEN_NAME) {
        mig_error(&parser_token.place, "expected %s before '%s'", what, parser_token.text);
    }
    char *name = parser_token.text;
    parser_advance();
    return name;
}

static unsigned parser_factor(void)
{
    if (parser_accept("(")) {
        unsigned value = parser_number();
        parser_expect(")");
        return value;
    }
    if (parser_token.kind != TOKEN_NUMBER) {
        mig_error(&parser_token.place, "expected a number before '%s'", parser_token.text);
    }
    unsigned value = (unsigned)parser_token.number;
    parser_advance();
    return value;
}

static unsigned parser_term(void)
{
    unsigned value = parser_factor();
    while (parser_is("*") || parser_is("/")) {
        struct mig_place place = parser_token.place;
        bool divide = parser_is("/");
        parser_advance();
        unsigned other = parser_factor();
        if (divide && other == 0) {
            mig_error(&place, "division by zero");
        }
        uint64_t result = divide ? value / other : (uint64_t)value * other;
        if (result > UINT32_MAX) {
            mig_error(&place, "the number is too large");
        }
        value = (unsigned)result;
    }
    return value;
}

unsigned parser_number(void)
{
    uint64_t value = parser_term();
    while (parser_is("+") || parser_is("-")) {
        struct mig_place place = parser_token.place;
        bool minus = parser_is("-");
        parser_advance();
        unsigned other = parser_term();
        if (minus && other > value) {
            mig_error(&place, "the number is negative");
        }
        value = minus ? value - other : value + other;
        if (value > UINT32_MAX) {
            mig_error(&place, "the number is too large");
        }
    }
    return (unsigned)value;
}

static void parser_subsystem(struct mig_place *place)
{
    if (subsystem->name != NULL) {
        mig_error(place, "a second subsystem: '%s' was declared already", subsystem->name);
    }
    for (;;) {
        if (parser_accept("kerneluser")) {
            subsystem->kernel_user = true;
        } else if (parser_accept("kernelserver")) {
            subsystem->kernel_server = true;
        } else {
            break;
        }
    }
    subsystem->name = parser_name("the name of the subsystem");
    struct mig_place base = parser_token.place;
    unsigned number = parser_number();
    if (number > INT32_MAX - 100000) {
        mig_error(&base, "the base id is too large");
    }
    subsystem->base = (int32_t)number;
}

static void parser_import(enum mig_import kind)
{
    /* parser_token is "import"; its file is lexed specially. */
    lexer_next_file(&parser_token);
    struct mig_import_line *line = mig_alloc(sizeof(*line));
    line->kind = kind;
    line->file = parser_token.text;
    struct mig_import_line **link = &subsystem->imports;
    while (*link != NULL) {
        if ((*link)->kind == kind && strcmp((*link)->file, line->file) == 0) {
            break;
        }
        link = &(*link)->next;
    }
    if (*link == NULL) {
        *link = line;
    }
    parser_advance();
}

static void parser_add_routine(struct mig_routine_def *routine)
{
    if (subsystem->name == NULL) {
        mig_error(&parser_token.place, "the subsystem must be declared before its routines");
    }
    if (subsystem->count == routine_room) {
        unsigned room = routine_room == 0 ? 64 : routine_room * 2;
        struct mig_routine_def **more = mig_alloc(room * sizeof(more[0]));
        if (subsystem->count != 0) {
            memcpy(more, subsystem->routines, subsystem->count * sizeof(more[0]));
        }
        subsystem->routines = more;
        routine_room = room;
    }
    subsystem->routines[subsystem->count] = routine;
    subsystem->count = subsystem->count + 1;
}

static void parser_skip(void)
{
    unsigned number = 1;
    struct mig_place place = parser_token.place;
    if (parser_token.kind == TOKEN_NUMBER) {
        number = parser_number();
    }
    if (number == 0 || number > 100000) {
        mig_error(&place, "cannot skip %u ids", number);
    }
    for (unsigned i = 0; i < number; i = i + 1) {
        parser_add_routine(NULL);
    }
}

struct parser_role {
    const char *word;
    enum mig_role role;
};

static const struct parser_role parser_roles[] = {
    {"in", ROLE_IN},
    {"out", ROLE_OUT},
    {"inout", ROLE_INOUT},
    {"requestport", ROLE_REQUEST},
    {"replyport", ROLE_REPLY},
    {"sreplyport", ROLE_SREPLY},
    {"ureplyport", ROLE_UREPLY},
    {"waittime", ROLE_WAITTIME},
    {"msgoption", ROLE_MSGOPTION},
    {"msgseqno", ROLE_MSGSEQNO},
};

/* "out name" but also a parameter that is called out: the word is a role if a name follows. */
static bool parser_param_role(struct mig_param *param, char **name)
{
    struct mig_token first = parser_token;
    param->place = first.place;
    char *word = parser_name("an argument");
    if (parser_token.kind != TOKEN_NAME) {
        *name = word;
        return false;
    }
    for (unsigned i = 0; i < sizeof(parser_roles) / sizeof(parser_roles[0]); i = i + 1) {
        if (strcasecmp(parser_roles[i].word, word) == 0) {
            param->role = parser_roles[i].role;
            param->place = parser_token.place;
            *name = parser_name("an argument");
            return true;
        }
    }
    mig_error(&first.place, "'%s' is not a direction", word);
}

static void parser_flag(struct mig_param *param)
{
    struct mig_place place = parser_token.place;
    bool memory = param->type->form == FORM_OOL || param->type->form == FORM_EITHER;
    if (parser_accept("dealloc")) {
        param->dealloc = DEALLOC_YES;
        if (parser_accept("[")) {
            parser_expect("]");
            param->dealloc = DEALLOC_MAYBE;
        }
        if (!memory) {
            mig_error(&place, "dealloc needs an argument that goes out of line");
        }
    } else if (parser_accept("notdealloc")) {
        param->dealloc = DEALLOC_NO;
    } else if (parser_accept("servercopy")) {
        if (param->type->form != FORM_EITHER || param->role != ROLE_IN) {
            mig_error(&place, "servercopy needs an in argument of a type array[]");
        }
        param->server_copy = true;
    } else if (parser_accept("countinout")) {
        if ((param->type->form != FORM_EITHER && param->type->form != FORM_VAR) ||
            param->role != ROLE_OUT) {
            mig_error(&place, "countinout needs an out argument that has a count and goes inline");
        }
        param->count_inout = true;
    } else if (parser_is("islong") || parser_is("isnotlong") || parser_is("physicalcopy")) {
        parser_advance();
    } else {
        mig_error(&place, "'%s' is not a flag of an argument", parser_token.text);
    }
}

static void parser_check_port(const struct mig_param *param, const char *what)
{
    if (!type_is_port(param->type) || param->type->form != FORM_SCALAR) {
        mig_error(&param->place, "the %s '%s' is not one port", what, param->name);
    }
}

/* Keep the routine's special arguments at hand, and refuse what makes no sense. */
static void parser_place_param(struct mig_routine_def *routine, struct mig_param *param)
{
    bool memory = param->type->form == FORM_OOL || param->type->form == FORM_EITHER;
    if (param->role == ROLE_IN && routine->request == NULL) {
        param->role = ROLE_REQUEST;
    }
    switch (param->role) {
    case ROLE_REQUEST:
        if (routine->request != NULL) {
            mig_error(&param->place, "a second request port");
        }
        parser_check_port(param, "request port");
        routine->request = param;
        break;
    case ROLE_REPLY:
    case ROLE_SREPLY:
    case ROLE_UREPLY:
        parser_check_port(param, "reply port");
        if (param->role != ROLE_UREPLY) {
            routine->sreply = param;
        }
        if (param->role != ROLE_SREPLY) {
            routine->ureply = param;
        }
        break;
    case ROLE_WAITTIME:
        routine->waittime = param;
        break;
    case ROLE_MSGOPTION:
        routine->msgoption = param;
        break;
    case ROLE_OUT:
    case ROLE_INOUT:
        if (routine->one_way) {
            mig_error(&param->place, "a simpleroutine has no reply for '%s'", param->name);
        }
        if (param->role == ROLE_INOUT &&
            (memory || type_has_count(param->type) || param->type->form == FORM_STRING_V)) {
            mig_error(&param->place, "'%s' has no fixed size and cannot be inout", param->name);
        }
        break;
    default:
        break;
    }
}

static void parser_check_names(const struct mig_routine_def *routine)
{
    for (const struct mig_param *a = routine->params; a != NULL; a = a->next) {
        for (const struct mig_param *b = a->next; b != NULL; b = b->next) {
            if (strcmp(a->name, b->name) == 0) {
                mig_error(&b->place, "a second argument '%s'", b->name);
            }
        }
    }
    if (routine->request == NULL) {
        mig_error(&routine->place, "'%s' has no port to send the request to", routine->name);
    }
}

static struct mig_param *parser_param(struct mig_routine_def *routine)
{
    struct mig_param *param = mig_alloc(sizeof(*param));
    param->role = ROLE_IN;
    (void)parser_param_role(param, &param->name);
    parser_expect(":");
    struct mig_place place = parser_token.place;
    param->type = parser_argument_type();
    if (!type_is_string(param->type) && param->type->bits == 0) {
        mig_error(&place, "the type has no size");
    }
    param->dealloc = param->type->dealloc;
    while (parser_accept(",")) {
        parser_flag(param);
    }
    parser_place_param(routine, param);
    return param;
}

static void parser_routine(bool one_way, char *comment)
{
    struct mig_routine_def *routine = mig_alloc(sizeof(*routine));
    routine->one_way = one_way;
    routine->comment = comment;
    routine->place = parser_token.place;
    routine->name = parser_name("the name of the routine");
    routine->user_prefix = user_prefix;
    routine->server_prefix = server_prefix;
    routine->default_msgoption = default_msgoption;
    routine->default_waittime = default_waittime;
    for (unsigned i = 0; i < subsystem->count; i = i + 1) {
        if (subsystem->routines[i] != NULL &&
            strcmp(subsystem->routines[i]->name, routine->name) == 0) {
            mig_error(&routine->place, "a second routine '%s'", routine->name);
        }
    }
    parser_expect("(");
    struct mig_param **link = &routine->params;
    if (!parser_is(")")) {
        do {
            *link = parser_param(routine);
            link = &(*link)->next;
        } while (parser_accept(";"));
    }
    parser_expect(")");
    parser_check_names(routine);
    parser_add_routine(routine);
    routine->id = subsystem->base + (int32_t)subsystem->count - 1;
}

static bool parser_option(void)
{
    if (parser_accept("serverprefix")) {
        char *prefix = parser_name("a prefix");
        if (!server_prefix_fixed) {
            server_prefix = prefix;
        }
    } else if (parser_accept("userprefix")) {
        user_prefix = parser_name("a prefix");
    } else if (parser_accept("serverdemux")) {
        subsystem->server_demux = parser_name("the name of a function");
    } else if (parser_accept("msgoption")) {
        default_msgoption = parser_name("an option");
        while (parser_accept("|")) {
            default_msgoption = mig_format("%s | %s", default_msgoption, parser_name("an option"));
        }
    } else if (parser_accept("waittime")) {
        default_waittime = parser_token.text;
        parser_advance();
    } else if (parser_accept("nowaittime")) {
        default_waittime = NULL;
    } else {
        return false;
    }
    return true;
}

static void parser_statement(void)
{
    struct mig_place place = parser_token.place;
    char *comment = parser_token.comment;
    if (parser_accept(";")) {
        return;
    }
    if (parser_accept("subsystem")) {
        parser_subsystem(&place);
    } else if (parser_accept("routine")) {
        parser_routine(false, comment);
    } else if (parser_accept("simpleroutine")) {
        parser_routine(true, comment);
    } else if (parser_accept("skip")) {
        parser_skip();
    } else if (parser_accept("type")) {
        parser_type_statement();
    } else if (parser_is("import")) {
        parser_import(IMPORT_ALL);
    } else if (parser_is("uimport")) {
        parser_import(IMPORT_USER);
    } else if (parser_is("simport")) {
        parser_import(IMPORT_SERVER);
    } else if (!parser_option()) {
        mig_error(&place, "'%s' does not begin a statement", parser_token.text);
    }
    parser_expect(";");
}

struct mig_subsystem *parser_run(const char *server_prefix_override)
{
    subsystem = mig_alloc(sizeof(*subsystem));
    routine_room = 0;
    user_prefix = "";
    server_prefix = server_prefix_override != NULL ? mig_format("%s", server_prefix_override) : "";
    server_prefix_fixed = server_prefix_override != NULL;
    parser_advance();
    subsystem->comment = parser_token.comment;
    while (parser_token.kind != TOKEN_END) {
        parser_statement();
    }
    if (subsystem->name == NULL) {
        mig_error(&parser_token.place, "no subsystem is declared");
    }
    return subsystem;
}

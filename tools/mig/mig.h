/* mig.h - the stub generator's data: tokens, types, routines, and who makes what of them.
 *
 * main.c runs the C preprocessor, lexer.c makes tokens of its output, parser.c a struct
 * mig_subsystem of those with the types of types.c, layout.c says where each item of a message
 * lies, and the emit_*.c write the files. Nothing is freed: the program is short. */
#ifndef MIG_H
#define MIG_H

#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#define MIG_POLYMORPHIC (-1)
#define MIG_HEADER_SIZE 32u
#define MIG_REPLY_START 48u   /* after the header, the return code's descriptor and the code */
#define MIG_INLINE_ROOM 2048u /* bytes of array[] that may go inline */
#define MIG_MESSAGE_MAX (1u << 24)

/* ---- source and errors (source.c) ---- */

struct mig_place {
    const char *file;
    unsigned line;
    unsigned column;
    const char *text; /* the line, up to its newline */
};

/* Print "file:line:column: error: ...", the line and a caret; end the program with status 1. */
void mig_error(const struct mig_place *place, const char *format, ...)
    __attribute__((format(printf, 2, 3), noreturn));
void mig_fatal(const char *format, ...) __attribute__((format(printf, 1, 2), noreturn));
void *mig_alloc(size_t size); /* zeroed, or the program ends */
char *mig_format(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* ---- tokens (lexer.c) ---- */

enum mig_token_kind {
    TOKEN_END,
    TOKEN_NAME,
    TOKEN_NUMBER,
    TOKEN_STRING, /* "..." or <...>, with its quotes; only after import */
    TOKEN_PUNCTUATION,
};

struct mig_token {
    enum mig_token_kind kind;
    char *text;
    uint64_t number;
    struct mig_place place;
    char *comment; /* the comment that ended last before the token, or NULL */
};

void lexer_start(char *text, const char *file);
void lexer_next(struct mig_token *token);
/* The next token is a file name in quotes or angle brackets. */
void lexer_next_file(struct mig_token *token);

/* ---- types (types.c) ---- */

enum mig_form {
    FORM_SCALAR,   /* one element */
    FORM_STRUCT,   /* a fixed number of elements, a structure in C */
    FORM_ARRAY,    /* a fixed number of elements, an array in C */
    FORM_STRING,   /* c_string[N] */
    FORM_STRING_V, /* c_string[*:N] */
    FORM_VAR,      /* array[*:N]: inline with a count */
    FORM_EITHER,   /* array[]: inline when short, else out of line */
    FORM_OOL,      /* ^array[]: out of line with a count */
};

enum mig_dealloc { DEALLOC_NO, DEALLOC_YES, DEALLOC_MAYBE };

struct mig_trans {
    char *function; /* NULL: none */
    char *result;
    char *argument;
};

struct mig_type {
    char *name;      /* NULL for an anonymous type */
    int in_name;     /* MACH_MSG_TYPE_* as sent, or MIG_POLYMORPHIC */
    int out_name;    /* as received */
    unsigned bits;   /* of one element on the wire */
    unsigned number; /* elements of one unit: of the whole type, or of one array entry */
    unsigned align;  /* bytes, for structures that contain it */
    enum mig_form form;
    unsigned max;             /* units at most, for the forms with a count or a length */
    struct mig_type *element; /* of arrays */
    char *ctype, *cuser, *cserver;
    struct mig_trans intran, outtran, destructor;
    char *payload_function, *payload_result;
    char *onnull; /* return code when intran finds no object; NULL: the routine is called */
    enum mig_dealloc dealloc;
};

void types_start(void);
struct mig_type *types_find(const char *name);
void types_add(struct mig_type *type);
/* The type behind MACH_MSG_TYPE_x or a number: false if the name is unknown. */
bool types_kind(const char *name, int *in_name, int *out_name, unsigned *bits);
struct mig_type *types_basic(int in_name, int out_name, unsigned bits);
/* A copy that has lost its name, C types and translations. */
struct mig_type *types_derive(const struct mig_type *old);
struct mig_type *types_array(enum mig_form form, unsigned max, struct mig_type *element);
struct mig_type *types_string(enum mig_form form, unsigned max);
/* A structure of bytes bytes with this alignment, sent as an array of integers of that size. */
struct mig_type *types_struct(unsigned bytes, unsigned align);
bool type_is_port(const struct mig_type *type);
bool type_has_count(const struct mig_type *type);
bool type_is_string(const struct mig_type *type);
unsigned type_unit_bytes(const struct mig_type *type); /* wire bytes of one unit inline */

/* ---- routines that always answer the same (constant.c) ---- */

void constant_read(const char *path);
/* The code the routine answers; NULL when it is a function of the kernel. */
const char *constant_of(const char *routine);

/* ---- interfaces (parser.c) ---- */

enum mig_role {
    ROLE_IN,
    ROLE_OUT,
    ROLE_INOUT,
    ROLE_REQUEST,
    ROLE_REPLY,  /* both sides */
    ROLE_SREPLY, /* the server only */
    ROLE_UREPLY, /* the user only */
    ROLE_WAITTIME,
    ROLE_MSGOPTION,
    ROLE_MSGSEQNO,
};

struct mig_param {
    struct mig_param *next;
    char *name;
    enum mig_role role;
    struct mig_type *type;
    enum mig_dealloc dealloc;
    bool server_copy;
    bool count_inout;
    struct mig_place place;
};

struct mig_routine_def {
    char *name;
    bool one_way;
    int32_t id;
    char *comment;
    struct mig_param *params;
    struct mig_param *request;
    struct mig_param *ureply, *sreply; /* NULL: not an argument */
    struct mig_param *waittime, *msgoption;
    char *default_waittime, *default_msgoption;
    char *user_prefix, *server_prefix; /* as in force where the routine stands */
    struct mig_place place;
};

enum mig_import { IMPORT_ALL, IMPORT_USER, IMPORT_SERVER };

struct mig_import_line {
    struct mig_import_line *next;
    enum mig_import kind;
    char *file;
};

struct mig_subsystem {
    char *name;
    int32_t base;
    bool kernel_user, kernel_server;
    char *comment; /* the first of the file */
    char *server_demux;
    struct mig_import_line *imports;
    struct mig_routine_def **routines; /* NULL where an id is skipped */
    unsigned count;
};

struct mig_subsystem *parser_run(const char *server_prefix_override);

/* ---- where things lie in messages (layout.c) ---- */

enum mig_mode { MODE_USER, MODE_KERNEL }; /* who sends the message */

struct mig_item {
    const char *name;
    struct mig_param *param;
    struct mig_type *type;
    bool count_only; /* the room a CountInOut argument states, not the argument itself */
};

struct mig_items {
    struct mig_item *item;
    unsigned count;
    uint32_t start;  /* offset of the first descriptor */
    bool always_out; /* array[] always goes out of line (what the kernel sends) */
    struct mig_type *count_type;
};

void layout_request(const struct mig_routine_def *routine, enum mig_mode mode,
                    struct mig_items *items);
void layout_reply(const struct mig_routine_def *routine, enum mig_mode mode,
                  struct mig_items *items);
/* Bytes of an item with its descriptor. */
uint32_t layout_min(const struct mig_items *items, const struct mig_item *item);
uint32_t layout_max(const struct mig_items *items, const struct mig_item *item);
bool layout_is_fixed(const struct mig_items *items, const struct mig_item *item);
uint32_t layout_total_min(const struct mig_items *items);
uint32_t layout_total_max(const struct mig_items *items);
/* Is the message of these items complex: never, always, or as its array[] go? */
enum mig_complex { COMPLEX_NEVER, COMPLEX_ALWAYS, COMPLEX_DEPENDS };
enum mig_complex layout_complex(const struct mig_items *items);
/* Effective form: array[] that always goes out of line counts as ^array[]. */
enum mig_form layout_form(const struct mig_items *items, const struct mig_item *item);
/* Rights and regions a message of these items can hold. */
uint32_t layout_slots(const struct mig_items *items);
/* First word of a descriptor. name: the type name to put in. */
uint32_t layout_word(const struct mig_type *type, enum mig_form form, int name, bool dealloc);
/* Inline entries an array[] may have. */
uint32_t layout_inline_max(const struct mig_type *type);
int layout_normal_name(int name); /* a disposition as it arrives */

/* ---- writing (emit_common.c) ---- */

struct mig_position {
    bool dynamic; /* offset is counted from the variable `at` */
    uint32_t offset;
};

enum mig_side { SIDE_USER, SIDE_SERVER, SIDE_KERNEL_SERVER, SIDE_KERNEL_USER };

/* C types of an argument. */
const char *emit_type(const struct mig_type *type, enum mig_side side);
const char *emit_trans_type(const struct mig_type *type, enum mig_side side);
void emit_prototype(FILE *out, const struct mig_routine_def *routine, enum mig_side side);
void emit_imports(FILE *out, const struct mig_subsystem *subsystem, enum mig_side side);
void emit_banner(FILE *out, const struct mig_subsystem *subsystem, const char *what);
char *emit_at(const struct mig_position *position, uint32_t delta);
bool emit_param_in(const struct mig_param *param);  /* travels in the request */
bool emit_param_out(const struct mig_param *param); /* travels in the reply */
/* Does the side's function have an argument that tells the kind of right? */
bool emit_poly_arg(const struct mig_param *param, enum mig_side side);
void emit_size_checks(FILE *out, const struct mig_subsystem *subsystem, enum mig_side side);

/* Checks of a received message (emit_check.c): declares and sets NAME_at and NAME_n for its items,
 * goes to `bad` when the message is not as defined. `base` is the pointer to its bytes. */
void emit_check_locals(FILE *out, const struct mig_items *items);
void emit_checks(FILE *out, const struct mig_items *items, const char *base, const char *header);

/* ---- the files ---- */

void emit_user(FILE *out, const struct mig_subsystem *subsystem);
void emit_server(FILE *out, const struct mig_subsystem *subsystem);
void emit_kernel_server(FILE *out, const struct mig_subsystem *subsystem);
void emit_kernel_user(FILE *out, const struct mig_subsystem *subsystem);
void emit_header(FILE *out, const struct mig_subsystem *subsystem, enum mig_side side);
void emit_names(FILE *out, const struct mig_subsystem *subsystem);
void emit_doc(FILE *out, const struct mig_subsystem *subsystem);
void emit_test(FILE *out, const struct mig_subsystem *subsystem);

#endif

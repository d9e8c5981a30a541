/* manifest.c - reading the manifest: words, then one function per part of a line. The same rules as
 * tools/mkarchive.py, checked again because an archive can be made by hand. */
#include "manifest.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PORT_NAME_MAX 0xffffffu
#define TEXT_MAX      240

struct word {
    char *text;
    bool quoted;
};

/* What is known while a line is read. */
struct line {
    unsigned number;
    manifest_report_t *report;
    struct word words[MANIFEST_WORDS_MAX];
    unsigned count;
};

static const char *const manifest_kinds[] = {"service", "start", "session", "program"};
static const char *const manifest_reserved[] = {"stdin", "stdout", "stderr", "exit", "bootstrap"};

static bool __attribute__((format(printf, 2, 3)))
line_error(const struct line *line, const char *format, ...)
{
    char text[TEXT_MAX];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    line->report(line->number, text);
    return false;
}

/* Cut one word off *text. Returns false at the end of the line or, told, when it is wrong. */
static bool line_next_word(struct line *line, char **text, bool *wrong)
{
    struct word *word = &line->words[line->count];
    char *at = *text + strspn(*text, " \t");
    char *end;

    *wrong = false;
    if (*at == '\0' || *at == '#') {
        return false;
    }
    word->quoted = *at == '"';
    word->text = at + word->quoted;
    end = word->quoted ? strchr(word->text, '"') : word->text + strcspn(word->text, " \t");
    if (end == NULL) {
        *wrong = true;
        return line_error(line, "a quote is not closed");
    }
    *text = *end == '\0' ? end : end + 1;
    *end = '\0';
    line->count++;
    return true;
}

static bool line_split(struct line *line, char *text)
{
    bool wrong;

    line->count = 0;
    while (line->count < MANIFEST_WORDS_MAX) {
        if (!line_next_word(line, &text, &wrong)) {
            return !wrong;
        }
    }
    if (text[strspn(text, " \t")] != '\0') {
        return line_error(line, "more than %d words on a line", MANIFEST_WORDS_MAX);
    }
    return true;
}

static bool manifest_is_name(const char *name)
{
    size_t length = strlen(name);

    return length >= 1 && length <= MANIFEST_NAME_MAX && strchr("._-", name[0]) == NULL &&
           strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-") ==
               length;
}

/* A decimal number up to max; false when it is none. */
static bool manifest_number(const char *text, unsigned long max, unsigned long *value)
{
    char *end;

    if (*text < '0' || *text > '9') {
        return false;
    }
    *value = strtoul(text, &end, 10);
    return *end == '\0' && *value <= max;
}

static bool manifest_option(const struct line *line, struct manifest_entry *entry, char *word)
{
    unsigned long number;

    if (strcmp(word, "foreign") == 0) {
        entry->foreign = true;
    } else if (strncmp(word, "restart=", 8) == 0) {
        if (!manifest_number(word + 8, MANIFEST_RESTART_MAX, &number)) {
            return line_error(line, "%s: a number from 0 to %d is wanted", word,
                              MANIFEST_RESTART_MAX);
        }
        entry->restart = (unsigned)number;
    } else if (strncmp(word, "io=", 3) == 0 && word[3] != '\0') {
        entry->io = word + 3;
    } else {
        return line_error(line, "unknown option `%s`", word);
    }
    return true;
}

static bool manifest_right_name(const struct line *line, const struct manifest_entry *entry,
                                struct manifest_right *right)
{
    unsigned long number = 0;

    if (entry->foreign) {
        if (!manifest_number(right->name, PORT_NAME_MAX, &number) || number == 0) {
            return line_error(line, "`%s`: a foreign program knows rights by number", right->name);
        }
        right->number = (uint32_t)number;
        return true;
    }
    if (!manifest_is_name(right->name) || (right->name[0] >= '0' && right->name[0] <= '9')) {
        return line_error(line, "`%s` cannot be the name of a right", right->name);
    }
    for (unsigned i = 0; i < sizeof(manifest_reserved) / sizeof(manifest_reserved[0]); i++) {
        if (strcmp(right->name, manifest_reserved[i]) == 0) {
            return line_error(line, "the name `%s` is taken: every program is given that right",
                              right->name);
        }
    }
    return true;
}

static bool manifest_right(const struct line *line, struct manifest_entry *entry, char *word)
{
    struct manifest_right *right = &entry->rights[entry->right_count];
    char *equals = strchr(word, '=');

    if (equals == NULL || equals == word || equals[1] == '\0') {
        return line_error(line, "`%s`: rights are written NAME=RIGHT", word);
    }
    if (entry->right_count == MANIFEST_RIGHTS_MAX) {
        return line_error(line, "more than %d rights", MANIFEST_RIGHTS_MAX);
    }
    *equals = '\0';
    right->name = word;
    right->right = equals + 1;
    for (unsigned i = 0; i < entry->right_count; i++) {
        if (strcmp(entry->rights[i].name, word) == 0) {
            return line_error(line, "the name `%s` is given to two rights", word);
        }
    }
    entry->right_count++;
    return manifest_right_name(line, entry, right);
}

/* Words after the name and the file: options, then sections. */
static bool manifest_sections(const struct line *line, struct manifest_entry *entry)
{
    unsigned argument = 1;
    unsigned variable = 0;
    char section = 'o';

    for (unsigned i = 3; i < line->count; i++) {
        char *word = line->words[i].text;
        bool keyword = !line->words[i].quoted;

        if (keyword && (strcmp(word, "args:") == 0 || strcmp(word, "rights:") == 0 ||
                        strcmp(word, "env:") == 0)) {
            section = word[0];
        } else if (section == 'a') {
            entry->arguments[argument] = word;
            argument++;
        } else if (section == 'e') {
            if (strchr(word, '=') == NULL) {
                return line_error(line, "`%s`: the environment is written NAME=VALUE", word);
            }
            entry->environment[variable] = word;
            variable++;
        } else if (!(section == 'r' ? manifest_right : manifest_option)(line, entry, word)) {
            return false;
        }
    }
    return true;
}

/* The archive's path of the program. */
static bool manifest_path(const struct line *line, struct manifest_entry *entry)
{
    if (entry->kind != MANIFEST_PROGRAM) {
        entry->path = line->words[2].text;
        return entry->path[0] == '/' ||
               line_error(line, "`%s` is not a path like /bin/sh", entry->path);
    }
    entry->path = malloc(strlen(entry->name) + sizeof("/programs/"));
    if (entry->path == NULL) {
        return line_error(line, "out of memory");
    }
    strcpy(entry->path, "/programs/");
    strcat(entry->path, entry->name);
    return true;
}

static bool manifest_entry(const struct line *line, const struct manifest *manifest,
                           struct manifest_entry *entry)
{
    struct manifest_entry *other;

    if (line->count < 3) {
        return line_error(line, "`%s` needs a name and a file", line->words[0].text);
    }
    entry->line = line->number;
    entry->name = line->words[1].text;
    if (!manifest_is_name(entry->name)) {
        return line_error(line, "`%s` cannot be a name: letters, digits and . _ - only",
                          entry->name);
    }
    other = manifest_find(manifest, entry->name);
    if (other != NULL) {
        return line_error(line, "the name `%s` is already used on line %u", entry->name,
                          other->line);
    }
    entry->arguments = calloc(line->count + 1, sizeof(char *));
    entry->environment = calloc(line->count + 1, sizeof(char *));
    if (entry->arguments == NULL || entry->environment == NULL) {
        return line_error(line, "out of memory");
    }
    entry->arguments[0] = entry->name;
    if (!manifest_path(line, entry) || !manifest_sections(line, entry)) {
        return false;
    }
    if (entry->foreign && entry->io != NULL) {
        return line_error(line, "a foreign program has no standard input: io= is not for it");
    }
    return true;
}

static void manifest_line(const struct line *line, struct manifest *manifest)
{
    struct manifest_entry entry = {0};
    unsigned kinds = sizeof(manifest_kinds) / sizeof(manifest_kinds[0]);
    unsigned kind = 0;

    if (line->count == 0 || strcmp(line->words[0].text, "file") == 0) {
        return;
    }
    while (kind < kinds && strcmp(line->words[0].text, manifest_kinds[kind]) != 0) {
        kind++;
    }
    if (kind == kinds) {
        line_error(line, "unknown word `%s` (file, service, start, session, program)",
                   line->words[0].text);
        return;
    }
    entry.kind = (enum manifest_kind)kind;
    for (unsigned i = 0; i < manifest->count && entry.kind == MANIFEST_SESSION; i++) {
        if (manifest->entries[i].kind == MANIFEST_SESSION) {
            line_error(line, "a second session; the first is on line %u",
                       manifest->entries[i].line);
            return;
        }
    }
    if (manifest_entry(line, manifest, &entry)) {
        manifest->entries[manifest->count] = entry;
        manifest->count++;
    } else {
        free(entry.arguments);
        free(entry.environment);
    }
}

/* Services named by io= and rights: are known only at the end. */
static bool manifest_is_service(const struct manifest *manifest, const char *name)
{
    struct manifest_entry *entry = manifest_find(manifest, name);

    return entry != NULL && entry->kind == MANIFEST_SERVICE;
}

static bool manifest_is_right(const struct manifest *manifest, const char *right)
{
    static const char *const known[] = {"host", "hardware", "host-priv", "device-master", "hv"};

    for (unsigned i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
        if (strcmp(right, known[i]) == 0) {
            return true;
        }
    }
    return manifest_is_service(manifest, right);
}

/* Does the entry ask only for what exists? */
static bool manifest_check_names(const struct manifest *manifest,
                                 const struct manifest_entry *entry, manifest_report_t *report)
{
    struct line line = {.number = entry->line, .report = report};

    if (entry->io != NULL && !manifest_is_service(manifest, entry->io)) {
        return line_error(&line, "io=%s: there is no service of that name", entry->io);
    }
    for (unsigned i = 0; i < entry->right_count; i++) {
        if (!manifest_is_right(manifest, entry->rights[i].right)) {
            return line_error(&line, "%s=%s: there is no such right", entry->rights[i].name,
                              entry->rights[i].right);
        }
    }
    return true;
}

static void manifest_drop_wrong_names(struct manifest *manifest, manifest_report_t *report)
{
    unsigned kept = 0;

    for (unsigned i = 0; i < manifest->count; i++) {
        if (manifest_check_names(manifest, &manifest->entries[i], report)) {
            manifest->entries[kept] = manifest->entries[i];
            kept++;
        }
    }
    manifest->count = kept;
}

struct manifest_entry *manifest_find(const struct manifest *manifest, const char *name)
{
    for (unsigned i = 0; i < manifest->count; i++) {
        if (strcmp(manifest->entries[i].name, name) == 0) {
            return &manifest->entries[i];
        }
    }
    return NULL;
}

bool manifest_parse(struct manifest *manifest, const char *text, size_t size,
                    manifest_report_t *report)
{
    char *copy = strndup(text, size); /* words point into it: never freed */
    struct line line = {.report = report};
    unsigned lines = 1;

    *manifest = (struct manifest){0};
    for (const char *at = copy; at != NULL && *at != '\0'; at++) {
        lines += *at == '\n';
    }
    manifest->entries = calloc(lines, sizeof(*manifest->entries));
    if (copy == NULL || manifest->entries == NULL) {
        return false;
    }
    while (copy != NULL) {
        char *rest = strchr(copy, '\n');

        if (rest != NULL) {
            *rest = '\0';
            rest++;
        }
        line.number++;
        if (line_split(&line, copy)) {
            manifest_line(&line, manifest);
        }
        copy = rest;
    }
    manifest_drop_wrong_names(manifest, report);
    return true;
}

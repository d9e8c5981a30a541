/* manifest_test.c - lines of the manifest, right ones and wrong ones. */
#include "manifest.h"

#include <stdio.h>
#include <string.h>

#include "archive_test.h"

static char said[4096]; /* what was reported: `LINE: TEXT` lines */
static struct manifest manifest;

static void report(unsigned line, const char *text)
{
    size_t used = strlen(said);

    snprintf(said + used, sizeof(said) - used, "%u: %s\n", line, text);
}

static void parse(const char *text)
{
    said[0] = '\0';
    assert_true(manifest_parse(&manifest, text, strlen(text), report));
}

/* One wrong line is told with its number, is left out, and the line after it stays. */
static void expect_wrong(const char *line, const char *sentence)
{
    char text[4096];

    snprintf(text, sizeof(text), "# first\n%s\nstart after /bin/after\n", line);
    parse(text);
    if (strstr(said, sentence) == NULL || strncmp(said, "2: ", 3) != 0) {
        fail_msg("`%s`: expected `2: %s`, it said `%s`", line, sentence, said);
    }
    assert_int_equal(manifest.count, 1);
    assert_string_equal(manifest.entries[0].name, "after");
}

static void a_line_gives_all_its_parts(void **state)
{
    const struct manifest_entry *entry;

    (void)state;
    parse("service console /servers/console\n"
          "session sh /bin/sh restart=10 io=console args: -l \"two words\" rights: host=host "
          "me=console env: A=1 B=\n");
    assert_string_equal(said, "");
    assert_int_equal(manifest.count, 2);
    entry = manifest_find(&manifest, "sh");
    assert_non_null(entry);
    assert_int_equal(entry->kind, MANIFEST_SESSION);
    assert_int_equal(entry->line, 2);
    assert_string_equal(entry->path, "/bin/sh");
    assert_int_equal(entry->restart, 10);
    assert_string_equal(entry->io, "console");
    assert_string_equal(entry->arguments[0], "sh");
    assert_string_equal(entry->arguments[1], "-l");
    assert_string_equal(entry->arguments[2], "two words");
    assert_null(entry->arguments[3]);
    assert_int_equal(entry->right_count, 2);
    assert_string_equal(entry->rights[1].name, "me");
    assert_string_equal(entry->rights[1].right, "console");
    assert_string_equal(entry->environment[0], "A=1");
    assert_string_equal(entry->environment[1], "B=");
    assert_null(entry->environment[2]);
}

static void a_foreign_program_has_rights_by_number(void **state)
{
    (void)state;
    parse("program test some/file foreign args: 1 2 rights: 1=host-priv 16777215=device-master\n");
    assert_string_equal(said, "");
    assert_true(manifest.entries[0].foreign);
    assert_string_equal(manifest.entries[0].path, "/programs/test");
    assert_int_equal(manifest.entries[0].rights[0].number, 1);
    assert_int_equal(manifest.entries[0].rights[1].number, 16777215);
}

static void comments_blanks_and_files_start_nothing(void **state)
{
    (void)state;
    parse("\n   \t\n# all\nfile /bin/x host/x\nstart a /bin/a # and so on \"\n");
    assert_string_equal(said, "");
    assert_int_equal(manifest.count, 1);
    assert_null(manifest.entries[0].arguments[1]);
}

static void no_newline_at_the_end_is_needed(void **state)
{
    (void)state;
    parse("start a /bin/a");
    assert_int_equal(manifest.count, 1);
}

static void an_empty_manifest_has_no_entries(void **state)
{
    (void)state;
    parse("");
    assert_int_equal(manifest.count, 0);
    assert_null(manifest_find(&manifest, "a"));
}

static void text_ends_where_its_size_says(void **state)
{
    (void)state;
    said[0] = '\0';
    assert_true(manifest_parse(&manifest, "start a /bin/a\nstart b /bin/b\n", 15, report));
    assert_int_equal(manifest.count, 1);
}

static void quoted_keywords_are_arguments(void **state)
{
    (void)state;
    parse("start a /bin/a args: \"rights:\" \"#\" \"\"\n");
    assert_string_equal(manifest.entries[0].arguments[1], "rights:");
    assert_string_equal(manifest.entries[0].arguments[2], "#");
    assert_string_equal(manifest.entries[0].arguments[3], "");
}

static void wrong_lines_are_told_and_left_out(void **state)
{
    static const char *const lines[][2] = {
        {"colour blue", "unknown word `colour`"},
        {"start", "`start` needs a name and a file"},
        {"start a", "`start` needs a name and a file"},
        {"start a/b /bin/a", "cannot be a name"},
        {"start .a /bin/a", "cannot be a name"},
        {"start aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa /bin/a",
         "cannot be a name"},
        {"start a bin/a", "is not a path like /bin/sh"},
        {"start a /bin/a fast", "unknown option `fast`"},
        {"start a /bin/a restart=", "a number from 0 to 100 is wanted"},
        {"start a /bin/a restart=101", "a number from 0 to 100 is wanted"},
        {"start a /bin/a restart=-1", "a number from 0 to 100 is wanted"},
        {"start a /bin/a restart=99999999999999999999", "a number from 0 to 100 is wanted"},
        {"start a /bin/a io=", "unknown option `io=`"},
        {"start a /bin/a io=nobody", "there is no service of that name"},
        {"start a /bin/a \"b", "a quote is not closed"},
        {"start a /bin/a rights: host", "rights are written NAME=RIGHT"},
        {"start a /bin/a rights: =host", "rights are written NAME=RIGHT"},
        {"start a /bin/a rights: host=", "rights are written NAME=RIGHT"},
        {"start a /bin/a rights: h=host h=host", "the name `h` is given to two rights"},
        {"start a /bin/a rights: stdin=host", "the name `stdin` is taken"},
        {"start a /bin/a rights: 1=host", "`1` cannot be the name of a right"},
        {"start a /bin/a rights: h=everything", "h=everything: there is no such right"},
        {"start a /bin/a foreign rights: h=host", "a foreign program knows rights by number"},
        {"start a /bin/a foreign rights: 0=host", "a foreign program knows rights by number"},
        {"start a /bin/a foreign rights: 16777216=host",
         "a foreign program knows rights by number"},
        {"start a /bin/a foreign io=console", "io= is not for it"},
        {"start a /bin/a env: A", "the environment is written NAME=VALUE"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
        expect_wrong(lines[i][0], lines[i][1]);
    }
}

static void a_name_is_used_once(void **state)
{
    (void)state;
    parse("start a /bin/a\nservice a /bin/b\n");
    assert_string_equal(said, "2: the name `a` is already used on line 1\n");
    assert_int_equal(manifest.count, 1);
    assert_int_equal(manifest.entries[0].kind, MANIFEST_START);
}

static void there_is_one_session(void **state)
{
    (void)state;
    parse("session a /bin/a\nsession b /bin/b\n");
    assert_string_equal(said, "2: a second session; the first is on line 1\n");
    assert_int_equal(manifest.count, 1);
}

static void sixty_words_fit_and_one_more_does_not(void **state)
{
    char text[1000] = "start a /bin/a args:";

    (void)state;
    for (unsigned i = 4; i < MANIFEST_WORDS_MAX; i++) {
        strcat(text, " x");
    }
    parse(text);
    assert_string_equal(said, "");
    assert_string_equal(manifest.entries[0].arguments[MANIFEST_WORDS_MAX - 4], "x");
    strcat(text, " x");
    expect_wrong(text, "more than 60 words on a line");
}

static void sixteen_rights_fit_and_one_more_does_not(void **state)
{
    char text[1000] = "start a /bin/a rights:";

    (void)state;
    for (unsigned i = 0; i < MANIFEST_RIGHTS_MAX; i++) {
        snprintf(text + strlen(text), 20, " r%u=host", i);
    }
    parse(text);
    assert_string_equal(said, "");
    assert_int_equal(manifest.entries[0].right_count, MANIFEST_RIGHTS_MAX);
    strcat(text, " more=host");
    expect_wrong(text, "more than 16 rights");
}

const struct CMUnitTest manifest_tests[] = {
    cmocka_unit_test(a_line_gives_all_its_parts),
    cmocka_unit_test(a_foreign_program_has_rights_by_number),
    cmocka_unit_test(comments_blanks_and_files_start_nothing),
    cmocka_unit_test(no_newline_at_the_end_is_needed),
    cmocka_unit_test(an_empty_manifest_has_no_entries),
    cmocka_unit_test(text_ends_where_its_size_says),
    cmocka_unit_test(quoted_keywords_are_arguments),
    cmocka_unit_test(wrong_lines_are_told_and_left_out),
    cmocka_unit_test(a_name_is_used_once),
    cmocka_unit_test(there_is_one_session),
    cmocka_unit_test(sixty_words_fit_and_one_more_does_not),
    cmocka_unit_test(sixteen_rights_fit_and_one_more_does_not),
};
const size_t manifest_test_count = sizeof(manifest_tests) / sizeof(manifest_tests[0]);

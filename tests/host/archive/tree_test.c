/* tree_test.c - the archive as a tree: whole archives, damaged ones, and paths. The archive lies in
 * a block of exactly its size, so that a read behind it is seen. */
#include "archive.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "archive_test.h"

#define BLOCK 512

static char said[1024];
static char *bytes;
static size_t used;

static void report(const char *text)
{
    snprintf(said, sizeof(said), "%s", text);
}

static int begin(void **state)
{
    (void)state;
    bytes = NULL;
    used = 0;
    said[0] = '\0';
    return 0;
}

static int end(void **state)
{
    (void)state;
    free(bytes);
    return 0;
}

static void put_sum(char *header)
{
    unsigned sum = 0;

    memset(header + 148, ' ', 8);
    for (unsigned i = 0; i < BLOCK; i++) {
        sum += (unsigned char)header[i];
    }
    snprintf(header + 148, 8, "%06o", sum);
}

/* A member at the end; its data is padded to a block. */
static char *put(const char *path, char type, const char *data)
{
    size_t size = strlen(data);
    size_t room = BLOCK + (size + BLOCK - 1) / BLOCK * BLOCK;
    char *header;

    bytes = realloc(bytes, used + room);
    header = bytes + used;
    memset(header, 0, room);
    strncpy(header, path, 100);
    strcpy(header + 100, "0000555");
    snprintf(header + 124, 12, "%011o", (unsigned)size & 0xffffff);
    header[156] = type;
    memcpy(header + 257, "ustar", 6);
    memcpy(header + BLOCK, data, size);
    put_sum(header);
    used += room;
    return header;
}

static void put_end(void)
{
    bytes = realloc(bytes, used + 2 * BLOCK);
    memset(bytes + used, 0, 2 * BLOCK);
    used += 2 * BLOCK;
}

static struct archive_node *look(struct archive_node *root, const char *path)
{
    bool not_directory;

    return archive_lookup(root, root, path, &not_directory);
}

/* Open the first `size` bytes, in a block of their own. */
static struct archive_node *open_first(size_t size)
{
    bytes = realloc(bytes, size > 0 ? size : 1);
    used = size;
    return archive_open(bytes, size, report);
}

static void files_are_found_with_their_contents(void **state)
{
    struct archive_node *root, *node;

    (void)state;
    put("bin/cat", '0', "meow");
    put("etc", '5', "");
    put("etc/motd", '\0', "hello");
    put_end();
    root = open_first(used);
    assert_string_equal(said, "");
    node = look(root, "/etc/motd");
    assert_non_null(node);
    assert_int_equal(node->size, 5);
    assert_memory_equal(node->data, "hello", 5);
    assert_int_equal(node->mode, 0555);
    assert_true(look(root, "/bin")->is_directory);
    assert_ptr_equal(look(root, "bin//./cat"), look(root, "/bin/../bin/cat"));
    assert_ptr_equal(look(root, "/.."), root);
}

static void members_keep_their_order(void **state)
{
    struct archive_node *root;

    (void)state;
    put("b", '0', "");
    put("a", '0', "");
    put_end();
    root = open_first(used);
    assert_string_equal(archive_member(root, 0)->name, "b");
    assert_string_equal(archive_member(root, 1)->name, "a");
    assert_null(archive_member(root, 2));
}

static void a_prefix_makes_long_paths(void **state)
{
    char *header;

    (void)state;
    header = put("file", '0', "x");
    strcpy(header + 345, "a/b");
    put_sum(header);
    put_end();
    assert_non_null(look(open_first(used), "/a/b/file"));
}

static void full_name_fields_are_read_to_their_end(void **state)
{
    char path[101];
    char *header;

    (void)state;
    memset(path, 'n', 100);
    path[100] = '\0';
    header = put(path, '0', "x");
    memset(header + 345, 'p', 155);
    put_sum(header);
    put_end();
    assert_int_equal(strlen(archive_member(archive_member(open_first(used), 0), 0)->name), 100);
}

static void what_is_not_there_is_not_found(void **state)
{
    struct archive_node *root;
    bool not_directory;

    (void)state;
    put("etc/motd", '0', "hello");
    put_end();
    root = open_first(used);
    assert_null(archive_lookup(root, root, "/etc/no", &not_directory));
    assert_false(not_directory);
    assert_null(archive_lookup(root, root, "/etc/mot", &not_directory));
    assert_null(archive_lookup(root, root, "/etc/motd/x", &not_directory));
    assert_true(not_directory);
    assert_null(archive_lookup(root, root, "/etc/motd/", &not_directory));
    assert_true(not_directory);
}

static void links_are_left_out(void **state)
{
    struct archive_node *root;

    (void)state;
    put("link", '2', "");
    put("file", '0', "x");
    put_end();
    root = open_first(used);
    assert_null(look(root, "/link"));
    assert_non_null(look(root, "/file"));
}

static void a_file_cut_short_is_told_and_the_rest_is_kept(void **state)
{
    struct archive_node *root;

    (void)state;
    put("first", '0', "1");
    put("second", '0', "22222");
    root = open_first(used - BLOCK + 3);
    assert_string_equal(said, "archive: /second is cut short");
    assert_non_null(look(root, "/first"));
    assert_null(look(root, "/second"));
}

static void a_last_file_without_padding_is_whole(void **state)
{
    (void)state;
    put("second", '0', "22222");
    assert_int_equal(look(open_first(used - BLOCK + 5), "/second")->size, 5);
    assert_string_equal(said, "");
}

static void a_damaged_header_is_told_and_the_rest_is_kept(void **state)
{
    struct archive_node *root;

    (void)state;
    put("first", '0', "1");
    put("second", '0', "2")[3] = 'X';
    put_end();
    root = open_first(used);
    assert_string_equal(said, "archive: a header is damaged; the files after it are lost");
    assert_non_null(look(root, "/first"));
    assert_null(look(root, "/second"));
}

static void what_is_no_archive_is_told(void **state)
{
    (void)state;
    bytes = calloc(1, BLOCK);
    memset(bytes, 'x', BLOCK);
    assert_null(archive_member(open_first(BLOCK), 0));
    assert_string_equal(said, "archive: a header is damaged; the files after it are lost");
}

static void an_enormous_size_is_cut_short(void **state)
{
    char *header;

    (void)state;
    header = put("big", '0', "");
    memset(header + 124, '7', 12);
    put_sum(header);
    assert_null(look(open_first(used), "/big"));
    assert_string_equal(said, "archive: /big is cut short");
}

static void every_cut_is_survived(void **state)
{
    static const char *const paths[] = {"a", "b/c", "b/d"};

    (void)state;
    for (size_t cut = 0; cut < 5 * BLOCK; cut += 37) {
        free(bytes);
        bytes = NULL;
        used = 0;
        for (unsigned i = 0; i < 3; i++) {
            put(paths[i], '0', "data");
        }
        assert_non_null(open_first(cut));
    }
}

static void a_file_in_the_way_is_told(void **state)
{
    struct archive_node *root;

    (void)state;
    put("a", '0', "x");
    put("a/b", '0', "y");
    put("c", '0', "z");
    put_end();
    root = open_first(used);
    assert_string_equal(said, "archive: no place for /a/b");
    assert_int_equal(look(root, "/a")->size, 1);
    assert_non_null(look(root, "/c"));
}

static void devices_are_put_into_the_tree(void **state)
{
    struct archive_node *root;

    (void)state;
    put("etc", '0', "x");
    put_end();
    root = open_first(used);
    assert_true(archive_add_device(root, "dev/null", 'n'));
    assert_int_equal(look(root, "/dev/null")->device, 'n');
    assert_false(archive_add_device(root, "etc/null", 'n'));
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, begin, end)

const struct CMUnitTest archive_tests[] = {
    CASE(files_are_found_with_their_contents),
    CASE(members_keep_their_order),
    CASE(a_prefix_makes_long_paths),
    CASE(full_name_fields_are_read_to_their_end),
    CASE(what_is_not_there_is_not_found),
    CASE(links_are_left_out),
    CASE(a_file_cut_short_is_told_and_the_rest_is_kept),
    CASE(a_last_file_without_padding_is_whole),
    CASE(a_damaged_header_is_told_and_the_rest_is_kept),
    CASE(what_is_no_archive_is_told),
    CASE(an_enormous_size_is_cut_short),
    CASE(every_cut_is_survived),
    CASE(a_file_in_the_way_is_told),
    CASE(devices_are_put_into_the_tree),
};
const size_t archive_test_count = sizeof(archive_tests) / sizeof(archive_tests[0]);

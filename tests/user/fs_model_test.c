/* fs_model_test.c - random operations on a file system and on a model of it, which must not come
 * apart: names, errors, contents by reads and by mappings, files without names.
 *
 * The model has a few names. Some lie in directories of others; what each name is (nothing, a file,
 * a directory) and what each file has in it is all there is. A history is repeated from its seed,
 * which is said when it fails.
 *
 * The environment may say where (MODEL_PLACE=/disk), with which seeds (MODEL_FIRST, MODEL_COUNT),
 * and that what is there at the end stays, to be looked at by others (MODEL_KEEP). */
#include <errno.h>
#include <fcntl.h>
#include <file.h>
#include <portolan/file_types.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/files.h"
#include "lib/test.h"

#define SEEDS     4u
#define STEPS     300u
#define SIZE_MAX_ (96u * 1024u)
#define FILES     24u /* of the model: those with a name, or open */
#define OPENS     4u

enum kind { NOTHING, FILE_, DIRECTORY };

struct model_file {
    unsigned links, opens;
    size_t size;
    char data[SIZE_MAX_];
};

struct name {
    const char *path;
    int above; /* the name of the directory it lies in, or -1 */
    enum kind kind;
    struct model_file *file;
};

static struct name names[] = {{"a", -1, 0, 0},  {"b", -1, 0, 0},  {"d", -1, 0, 0},
                              {"e", -1, 0, 0},  {"d/x", 2, 0, 0}, {"d/y", 2, 0, 0},
                              {"e/x", 3, 0, 0}, {"e/y", 3, 0, 0}, {"d/x/z", 4, 0, 0}};
#define NAMES (sizeof(names) / sizeof(names[0]))

static struct model_file files[FILES];
static struct {
    int fd;
    struct model_file *file;
} opened[OPENS];

static uint64_t random_state;
static unsigned seed, step;
static const char *what; /* the operation under way */
static bool apart;

static unsigned below(unsigned limit)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return (unsigned)((random_state >> 20) % limit);
}

static void expect(bool holds, const char *why, long left, long right)
{
    if (!holds && !apart) {
        printf("  seed %u, step %u, %s: %s: %ld, and the model has %ld\n", seed, step, what, why,
               left, right);
        apart = true;
    }
    CHECK(holds);
}

static void expect_error(long result, int error)
{
    int got = result == -1 ? errno : 0;

    expect(got == error, "the error", got, error);
}

/* --- the model --- */

static struct model_file *model_file(void)
{
    for (unsigned i = 0; i < FILES; i++) {
        if (files[i].links == 0 && files[i].opens == 0) {
            memset(&files[i], 0, sizeof(files[i]));
            return &files[i];
        }
    }
    return NULL;
}

/* What stands in the way to the name. */
static int way_error(const struct name *name)
{
    int error;

    if (name->above < 0) {
        return 0;
    }
    error = way_error(&names[name->above]);
    if (error != 0) {
        return error;
    }
    return names[name->above].kind == NOTHING ? ENOENT
           : names[name->above].kind == FILE_ ? ENOTDIR
                                              : 0;
}

static bool is_below(unsigned which, unsigned directory)
{
    int at = (int)which;

    while (at >= 0 && at != (int)directory) {
        at = names[at].above;
    }
    return at == (int)directory;
}

static bool is_empty(unsigned directory)
{
    for (unsigned i = 0; i < NAMES; i++) {
        if (names[i].above == (int)directory && names[i].kind != NOTHING) {
            return false;
        }
    }
    return true;
}

static void drop_name(struct name *name)
{
    if (name->kind == FILE_) {
        name->file->links--;
    }
    name->kind = NOTHING;
    name->file = NULL;
}

/* --- operations on names --- */

static void do_create(unsigned which)
{
    struct name *name = &names[which];
    bool exclusive = below(2) != 0;
    int error = way_error(name);
    struct model_file *file;
    int fd;

    what = "create";
    if (error == 0 && name->kind == DIRECTORY) {
        error = exclusive ? EEXIST : EISDIR;
    } else if (error == 0 && name->kind == FILE_ && exclusive) {
        error = EEXIST;
    }
    file = error == 0 && name->kind == NOTHING ? model_file() : name->file;
    if (error == 0 && file == NULL) {
        return;
    }
    fd = open(name->path, O_RDWR | O_CREAT | (exclusive ? O_EXCL : 0), 0644);
    expect_error(fd, error);
    if (fd >= 0) {
        close(fd);
    }
    if (error == 0 && name->kind == NOTHING) {
        name->kind = FILE_;
        name->file = file;
        file->links = 1;
    }
}

static void do_mkdir(unsigned which)
{
    struct name *name = &names[which];
    int error = way_error(name);

    what = "mkdir";
    error = error == 0 && name->kind != NOTHING ? EEXIST : error;
    expect_error(mkdir(name->path, 0755), error);
    if (error == 0) {
        name->kind = DIRECTORY;
    }
}

static void do_unlink(unsigned which)
{
    struct name *name = &names[which];
    int error = way_error(name);

    what = "unlink";
    if (error == 0) {
        error = name->kind == NOTHING ? ENOENT : name->kind == DIRECTORY ? EISDIR : 0;
    }
    expect_error(unlink(name->path), error);
    if (error == 0) {
        drop_name(name);
    }
}

static void do_rmdir(unsigned which)
{
    struct name *name = &names[which];
    int error = way_error(name);

    what = "rmdir";
    if (error == 0) {
        error = name->kind == NOTHING ? ENOENT
                : name->kind == FILE_ ? ENOTDIR
                : !is_empty(which)    ? ENOTEMPTY
                                      : 0;
    }
    expect_error(rmdir(name->path), error);
    if (error == 0) {
        drop_name(name);
    }
}

static void do_link(unsigned from, unsigned to)
{
    int error = way_error(&names[from]);

    what = "link";
    if (error == 0 && names[from].kind == NOTHING) {
        error = ENOENT;
    }
    error = error != 0 ? error : way_error(&names[to]);
    if (error == 0) {
        error = names[to].kind != NOTHING ? EEXIST : names[from].kind == DIRECTORY ? EPERM : 0;
    }
    expect_error(link(names[from].path, names[to].path), error);
    if (error == 0) {
        names[to].kind = FILE_;
        names[to].file = names[from].file;
        names[to].file->links++;
    }
}

static int rename_error(unsigned from, unsigned to)
{
    int error = way_error(&names[from]);

    error = error != 0 ? error : way_error(&names[to]);
    if (error != 0 || names[from].kind == NOTHING) {
        return error != 0 ? error : ENOENT;
    }
    if (from == to || (names[from].kind == FILE_ && names[to].file == names[from].file)) {
        return 0;
    }
    if (names[from].kind == DIRECTORY && is_below(to, from)) {
        return EINVAL;
    }
    if (names[to].kind == NOTHING) {
        return 0;
    }
    if (names[from].kind == FILE_) {
        return names[to].kind == DIRECTORY ? is_below(from, to) ? -1 : EISDIR : 0;
    }
    return names[to].kind == FILE_ ? ENOTDIR : is_empty(to) ? 0 : ENOTEMPTY;
}

/* Directories are renamed only where the model has the same names below both. */
static bool can_be_told(unsigned from, unsigned to)
{
    if (names[from].kind != DIRECTORY || names[to].above >= 0 || names[from].above >= 0) {
        return names[from].kind != DIRECTORY;
    }
    return (from == 2 || from == 3) && (to == 2 || to == 3) && names[8].kind == NOTHING;
}

static void do_rename(unsigned from, unsigned to)
{
    int error = rename_error(from, to);

    what = "rename";
    if (error == -1 || (error == 0 && from != to && !can_be_told(from, to))) {
        return;
    }
    expect_error(rename(names[from].path, names[to].path), error);
    if (error != 0 || from == to ||
        (names[from].kind == FILE_ && names[to].file == names[from].file)) {
        return;
    }
    drop_name(&names[to]);
    names[to].kind = names[from].kind;
    names[to].file = names[from].file;
    names[from].kind = NOTHING;
    names[from].file = NULL;
    for (unsigned i = 4; names[to].kind == DIRECTORY && i < 6; i++) {
        struct name *lower = &names[from == 2 ? i : i + 2];
        struct name *upper = &names[to == 2 ? i : i + 2];

        upper->kind = lower->kind;
        upper->file = lower->file;
        lower->kind = NOTHING;
        lower->file = NULL;
    }
}

/* --- operations on contents --- */

static void do_write(int fd, struct model_file *file)
{
    unsigned size = 1 + below(below(4) == 0 ? 30000 : 3000);
    unsigned at = below(SIZE_MAX_ - size);
    static char block[30001];

    what = "write";
    memset(block, (int)below(256), size);
    expect(pwrite(fd, block, size, at) == (long)size, "written", errno, size);
    memcpy(file->data + at, block, size);
    file->size = at + size > file->size ? at + size : file->size;
}

static void do_append(int fd, struct model_file *file)
{
    unsigned size = 1 + below(2000);

    what = "append";
    if (file->size + size > SIZE_MAX_) {
        return;
    }
    memset(file->data + file->size, (int)below(256), size);
    expect_error(fcntl(fd, F_SETFL, O_APPEND), 0);
    expect(write(fd, file->data + file->size, size) == (long)size, "written", errno, size);
    expect_error(fcntl(fd, F_SETFL, 0), 0);
    file->size += size;
}

static void do_truncate(int fd, struct model_file *file)
{
    unsigned size = below(SIZE_MAX_);

    what = "truncate";
    expect_error(ftruncate(fd, size), 0);
    if (size < file->size) {
        memset(file->data + size, 0, file->size - size);
    }
    file->size = size;
}

static void do_compare(int fd, struct model_file *file)
{
    static char data[SIZE_MAX_ + 1];
    unsigned at = below(2) == 0 ? 0 : below(SIZE_MAX_);
    long there = at < file->size ? (long)(file->size - at) : 0;
    long n = pread(fd, data, sizeof(data), at);
    struct stat st;

    what = "compare";
    expect(n == there, "read", n, there);
    expect(n <= 0 || memcmp(data, file->data + at, (size_t)n) == 0, "contents", at, n);
    expect_error(fstat(fd, &st), 0);
    expect((size_t)st.st_size == file->size, "size", st.st_size, (long)file->size);
    expect(st.st_nlink == file->links, "links", (long)st.st_nlink, file->links);
}

/* By a mapping: all of it is compared, some of it written. */
static void do_map(int fd, struct model_file *file)
{
    char *at;

    what = "map";
    if (file->size == 0) {
        return;
    }
    at = mmap(NULL, file->size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    expect(at != MAP_FAILED, "mmap", errno, 0);
    if (at == MAP_FAILED) {
        return;
    }
    expect(memcmp(at, file->data, file->size) == 0, "contents", 0, (long)file->size);
    for (unsigned i = below(6); i > 0; i--) {
        unsigned where = below((unsigned)file->size);

        at[where] = (char)below(256);
        file->data[where] = at[where];
    }
    expect_error(munmap(at, file->size), 0);
}

static void do_contents(int fd, struct model_file *file)
{
    static void (*const each[])(int fd, struct model_file *file) = {
        do_write, do_write, do_append, do_truncate, do_compare, do_compare, do_map, do_map};

    each[below(sizeof(each) / sizeof(each[0]))](fd, file);
    if (below(8) == 0) {
        what = "fsync";
        expect_error(fsync(fd), 0);
    }
}

static void do_named(unsigned which)
{
    int fd;

    if (way_error(&names[which]) != 0 || names[which].kind != FILE_) {
        return;
    }
    what = "open";
    fd = open(names[which].path, O_RDWR);
    expect(fd >= 0, "open", errno, 0);
    if (fd >= 0) {
        do_contents(fd, names[which].file);
        close(fd);
    }
}

/* What is left in the end. */
static void do_named_compare(unsigned which)
{
    int fd;

    if (way_error(&names[which]) == 0 && names[which].kind == FILE_) {
        fd = open(names[which].path, O_RDONLY);
        expect(fd >= 0, "open", errno, 0);
        do_compare(fd, names[which].file);
        close(fd);
    }
}

/* Open one for longer, or close it. */
static void do_keep(unsigned slot, unsigned which)
{
    what = "keep open";
    if (opened[slot].file != NULL) {
        expect_error(close(opened[slot].fd), 0);
        opened[slot].file->opens--;
        opened[slot].file = NULL;
    } else if (way_error(&names[which]) == 0 && names[which].kind == FILE_) {
        opened[slot].fd = open(names[which].path, O_RDWR);
        expect(opened[slot].fd >= 0, "open", errno, 0);
        opened[slot].file = names[which].file;
        opened[slot].file->opens++;
    }
}

static void do_step(void)
{
    unsigned which = below(NAMES), other = below(NAMES), slot = below(OPENS);

    switch (below(16)) {
    case 0:
    case 1:
        do_create(which);
        break;
    case 2:
        do_mkdir(which);
        break;
    case 3:
        do_unlink(which);
        break;
    case 4:
        do_rmdir(which);
        break;
    case 5:
        do_link(which, other);
        break;
    case 6:
    case 7:
        do_rename(which, other);
        break;
    case 8:
        do_keep(slot, which);
        break;
    case 9:
        (void)file_sync(portolan_port("root"),
                        below(2) != 0 ? FILE_SYNC_FORGET : FILE_SYNC_ALL | FILE_SYNC_FORGET);
        break;
    case 10 ... 12:
        if (opened[slot].file != NULL) {
            do_contents(opened[slot].fd, opened[slot].file);
        }
        break;
    default:
        do_named(which);
        break;
    }
}

/* All the names, and what they are. */
static void compare_names(void)
{
    what = "names";
    for (unsigned i = 0; i < NAMES; i++) {
        struct stat st;
        int error = lstat(names[i].path, &st) == 0 ? 0 : errno;
        int wanted = way_error(&names[i]);

        wanted = wanted == 0 && names[i].kind == NOTHING ? ENOENT : wanted;
        expect(error == wanted, names[i].path, error, wanted);
        expect(error != 0 || S_ISDIR(st.st_mode) == (names[i].kind == DIRECTORY), "kind", (long)i,
               names[i].kind);
    }
}

static void run_history(const char *place)
{
    char path[100];

    memset(files, 0, sizeof(files));
    for (unsigned i = 0; i < NAMES; i++) {
        names[i].kind = NOTHING;
        names[i].file = NULL;
    }
    snprintf(path, sizeof(path), "%s/model-%u", place, seed);
    CHECK_EQ(mkdir(path, 0755), 0);
    CHECK_EQ(chdir(path), 0);
    for (step = 0; step < STEPS && !apart; step++) {
        do_step();
        if (step % 50 == 0) {
            compare_names();
        }
    }
    for (unsigned slot = 0; slot < OPENS; slot++) {
        if (opened[slot].file != NULL) {
            do_compare(opened[slot].fd, opened[slot].file);
            do_keep(slot, 0);
        }
    }
    for (unsigned i = NAMES; i > 0 && getenv("MODEL_KEEP") == NULL; i--) {
        if (way_error(&names[i - 1]) == 0 && names[i - 1].kind != NOTHING) {
            do_named(i - 1);
            CHECK_EQ(remove(names[i - 1].path), 0);
            drop_name(&names[i - 1]);
        }
    }
    for (unsigned i = 0; i < NAMES; i++) {
        do_named_compare(i);
    }
    CHECK_EQ(chdir("/"), 0);
    if (getenv("MODEL_KEEP") == NULL) {
        CHECK_EQ(rmdir(path), 0);
    }
}

static unsigned setting(const char *name, unsigned otherwise)
{
    const char *text = getenv(name);

    return text != NULL ? (unsigned)strtoul(text, NULL, 10) : otherwise;
}

TEST(the_file_system_is_as_its_model)
{
    const char *place = getenv("MODEL_PLACE") != NULL ? getenv("MODEL_PLACE") : "/tmp";
    unsigned first = setting("MODEL_FIRST", 1), count = setting("MODEL_COUNT", SEEDS);

    for (seed = first; seed < first + count && !apart; seed++) {
        random_state = seed * 0x9e3779b97f4a7c15u;
        run_history(place);
    }
}

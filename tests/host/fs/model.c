#include "model.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#define OPS model->volume->ops

static uint64_t model_random(struct model *model, uint64_t limit)
{
    return test_random(&model->random, limit);
}

void model_init(struct model *model, struct disk *disk, uint64_t seed)
{
    memset(model, 0, sizeof(*model));
    model->disk = disk;
    model->volume = disk_mount(disk);
    model->random = seed;
    model->nodes[0] = (struct model_node){.mode = S_IFDIR | 0755, .links = 2};
    model->nodes[0].inode = model->volume->root;
}

static void model_clear(struct model_node *node)
{
    free(node->entries);
    free(node->data);
    memset(node, 0, sizeof(*node));
}

void model_free(struct model *model)
{
    for (unsigned i = 0; i < MODEL_NODES; i++) {
        model_clear(&model->nodes[i]);
    }
    free(model->touches);
}

static void model_touch(struct model *model, uint32_t number)
{
    struct model_node *node = &model->nodes[number];

    model->touches = realloc(model->touches, (model->touch_count + 1) * sizeof(*model->touches));
    model->touches[model->touch_count] = (struct model_touch){model->disk->log_count, number};
    model->touch_count++;
    for (unsigned i = 0; S_ISDIR(node->mode) && i < node->entry_count; i++) {
        model_touch(model, node->entries[i].node); /* their path is another */
    }
}

/* --- the tree --- */

static struct model_entry *model_find(struct model *model, uint32_t directory, const char *name)
{
    struct model_node *node = &model->nodes[directory];

    for (unsigned i = 0; i < node->entry_count; i++) {
        if (strcmp(node->entries[i].name, name) == 0) {
            return &node->entries[i];
        }
    }
    return NULL;
}

static void model_add(struct model *model, uint32_t directory, const char *name, uint32_t number)
{
    struct model_node *node = &model->nodes[directory];
    struct model_entry *entry;

    node->entries = realloc(node->entries, (node->entry_count + 1) * sizeof(*entry));
    entry = &node->entries[node->entry_count];
    node->entry_count++;
    strcpy(entry->name, name);
    entry->node = number;
}

static void model_remove(struct model *model, uint32_t directory, struct model_entry *entry)
{
    struct model_node *node = &model->nodes[directory];

    node->entry_count--;
    *entry = node->entries[node->entry_count];
}

/* A name of the node went. */
static void model_drop(struct model *model, uint32_t number)
{
    struct model_node *node = &model->nodes[number];

    if (S_ISDIR(node->mode)) {
        model->nodes[node->parent].links--;
        node->links = 0;
    } else {
        node->links--;
    }
    if (node->links == 0 && node->holds == 0) {
        model_clear(node);
    }
}

static bool model_is_above(struct model *model, uint32_t node, uint32_t directory)
{
    while (directory != node && directory != 0) {
        directory = model->nodes[directory].parent;
    }
    return directory == node;
}

/* A random node with a link and the type, or MODEL_NONE. */
static uint32_t model_pick(struct model *model, mode_t type)
{
    uint32_t first = (uint32_t)model_random(model, MODEL_NODES);

    for (uint32_t i = 0; i < MODEL_NODES; i++) {
        const struct model_node *node = &model->nodes[(first + i) % MODEL_NODES];

        if (node->mode != 0 && (type == 0 || (node->mode & S_IFMT) == type) &&
            (node->links != 0 || !S_ISDIR(node->mode))) {
            return (first + i) % MODEL_NODES;
        }
    }
    return MODEL_NONE;
}

static void model_name(struct model *model, char *name)
{
    unsigned number = (unsigned)model_random(model, 24);

    snprintf(name, MODEL_NAME_MAX, "%s%u", number % 3 == 0 ? "a-name-that-is-rather-long-" : "n",
             number);
}

/* Is the error the expected one? Without room nothing has happened. */
static bool model_is_done(struct model *model, int error, int expected)
{
    if (error == ENOSPC) {
        model->full++;
        return false;
    }
    assert_int_equal(error, expected);
    return error == 0;
}

/* --- operations on names --- */

static void model_make(struct model *model)
{
    static const mode_t types[] = {S_IFREG, S_IFREG, S_IFREG, S_IFDIR, S_IFLNK, S_IFIFO};
    uint32_t directory = model_pick(model, S_IFDIR);
    mode_t mode = types[model_random(model, 6)] | (mode_t)model_random(model, 01000);
    struct volume_make what = {.mode = mode, .owner = 7, .group = 8};
    char name[MODEL_NAME_MAX], target[300];
    uint32_t number = 0;
    uint64_t inode;
    struct model_node *node;
    int error;

    while (number < MODEL_NODES && model->nodes[number].mode != 0) {
        number++;
    }
    if (number == MODEL_NODES) {
        return;
    }
    node = &model->nodes[number];
    model_name(model, name);
    memset(target, 't', sizeof(target));
    target[1 + model_random(model, 290)] = '\0';
    what.target = target;
    error =
        OPS->make(model->volume, model->nodes[directory].inode, name, strlen(name), &what, &inode);
    if (!model_is_done(model, error, model_find(model, directory, name) != NULL ? EEXIST : 0)) {
        return;
    }
    *node = (struct model_node){.mode = mode, .inode = inode, .links = 1};
    if (S_ISDIR(mode)) {
        node->links = 2;
        node->parent = directory;
        model->nodes[directory].links++;
    } else if (S_ISLNK(mode)) {
        node->data = (uint8_t *)strdup(target);
        node->size = strlen(target);
    } else if (S_ISREG(mode)) {
        node->data = calloc(1, MODEL_FILE_MAX);
    }
    model_add(model, directory, name, number);
    model_touch(model, number);
}

static void model_link(struct model *model)
{
    uint32_t directory = model_pick(model, S_IFDIR);
    uint32_t number = model_pick(model, 0);
    struct model_node *node = &model->nodes[number];
    char name[MODEL_NAME_MAX];
    int expected, error;

    model_name(model, name);
    expected = model_find(model, directory, name) != NULL ? EEXIST
               : S_ISDIR(node->mode)                      ? EPERM
               : node->links == 0                         ? ENOENT
                                                          : 0;
    error =
        OPS->link(model->volume, model->nodes[directory].inode, name, strlen(name), node->inode);
    if (model_is_done(model, error, expected)) {
        node->links++;
        model_add(model, directory, name, number);
        model_touch(model, number);
    }
}

static void model_unlink(struct model *model)
{
    uint32_t directory = model_pick(model, S_IFDIR);
    bool is_rmdir = model_random(model, 3) == 0;
    struct model_entry *entry;
    char name[MODEL_NAME_MAX];
    int expected = ENOENT;
    int error;

    model_name(model, name);
    entry = model_find(model, directory, name);
    if (entry != NULL) {
        const struct model_node *node = &model->nodes[entry->node];

        expected = S_ISDIR(node->mode) ? (!is_rmdir               ? EISDIR
                                          : node->entry_count > 0 ? ENOTEMPTY
                                                                  : 0)
                                       : (is_rmdir ? ENOTDIR : 0);
        if (expected == 0) {
            model_touch(model, entry->node);
        }
    }
    error = OPS->unlink(model->volume, model->nodes[directory].inode, name, strlen(name), is_rmdir);
    assert_int_equal(error, expected);
    if (error == 0) {
        uint32_t number = entry->node;

        model_remove(model, directory, entry);
        model_drop(model, number);
    }
}

static int model_rename_error(struct model *model, uint32_t to, const struct model_entry *entry,
                              const struct model_entry *replaced)
{
    const struct model_node *node;

    if (entry == NULL) {
        return ENOENT;
    }
    node = &model->nodes[entry->node];
    if (replaced != NULL && replaced->node == entry->node) {
        return 0;
    }
    if (S_ISDIR(node->mode) && model_is_above(model, entry->node, to)) {
        return EINVAL;
    }
    if (replaced != NULL) {
        const struct model_node *old = &model->nodes[replaced->node];

        if (S_ISDIR(node->mode) != S_ISDIR(old->mode)) {
            return S_ISDIR(node->mode) ? ENOTDIR : EISDIR;
        }
        return S_ISDIR(old->mode) && old->entry_count != 0 ? ENOTEMPTY : 0;
    }
    return 0;
}

static void model_do_rename(struct model *model, uint32_t from, struct model_entry *entry,
                            uint32_t to, const char *new_name)
{
    struct model_entry *replaced = model_find(model, to, new_name);
    uint32_t number = entry->node;
    struct model_node *node = &model->nodes[number];

    if (replaced != NULL && replaced->node == number) {
        return;
    }
    model_remove(model, from, entry);
    if (S_ISDIR(node->mode)) {
        model->nodes[from].links--;
        model->nodes[to].links++;
        node->parent = to;
    }
    replaced = model_find(model, to, new_name);
    if (replaced != NULL) {
        uint32_t old = replaced->node;

        model_remove(model, to, replaced);
        model_drop(model, old);
    }
    model_add(model, to, new_name, number);
}

static void model_rename(struct model *model)
{
    uint32_t from = model_pick(model, S_IFDIR);
    uint32_t to = model_pick(model, S_IFDIR);
    char name[MODEL_NAME_MAX], new_name[MODEL_NAME_MAX];
    struct model_entry *entry, *replaced;
    int error, expected;

    model_name(model, name);
    model_name(model, new_name);
    entry = model_find(model, from, name);
    replaced = model_find(model, to, new_name);
    expected = model_rename_error(model, to, entry, replaced);
    if (expected == 0) {
        model_touch(model, entry->node);
        if (replaced != NULL) {
            model_touch(model, replaced->node);
        }
    }
    error = OPS->rename(model->volume, model->nodes[from].inode, name, strlen(name),
                        model->nodes[to].inode, new_name, strlen(new_name));
    if (model_is_done(model, error, expected)) {
        model_do_rename(model, from, entry, to, new_name);
    }
}

/* --- operations on contents --- */

static void model_flush_node(struct model *model, struct model_node *node)
{
    for (unsigned first = 0; first < MODEL_PAGES;) {
        unsigned end = first;

        while (end < MODEL_PAGES && node->dirty[end]) {
            node->dirty[end] = false;
            end++;
        }
        if (end > first) {
            assert_int_equal(OPS->write_pages(model->volume, node->inode,
                                              (uint64_t)first * VOLUME_PAGE_SIZE,
                                              (size_t)(end - first) * VOLUME_PAGE_SIZE,
                                              node->data + (size_t)first * VOLUME_PAGE_SIZE),
                             0);
        }
        first = end + 1;
    }
}

void model_flush(struct model *model)
{
    for (unsigned i = 0; i < MODEL_NODES; i++) {
        if (S_ISREG(model->nodes[i].mode)) {
            model_flush_node(model, &model->nodes[i]);
        }
    }
}

static void model_write(struct model *model)
{
    uint32_t number = model_pick(model, S_IFREG);
    uint64_t size = 1 + model_random(model, model_random(model, 4) == 0 ? 200000 : 3000);
    struct model_node *node;
    uint64_t offset;

    if (number == MODEL_NONE) {
        return;
    }
    node = &model->nodes[number];
    offset = model_random(model, 3) == 0 ? node->size : model_random(model, MODEL_FILE_MAX);
    if (offset + size > MODEL_FILE_MAX) {
        return;
    }
    model_touch(model, number);
    if (!model_is_done(model, OPS->prepare(model->volume, node->inode, offset, size), 0)) {
        return;
    }
    if (offset + size > node->size) {
        test_set_size(model->volume, node->inode, offset + size);
        node->size = offset + size;
    }
    for (uint64_t i = 0; i < size; i++) {
        node->data[offset + i] = (uint8_t)(1 + (model->random + i / 64) % 200);
    }
    for (uint64_t page = offset / VOLUME_PAGE_SIZE; page * VOLUME_PAGE_SIZE < offset + size;
         page++) {
        node->dirty[page] = true;
    }
    if (model_random(model, 3) == 0) {
        model_flush_node(model, node);
    }
}

static void model_resize(struct model *model)
{
    uint32_t number = model_pick(model, S_IFREG);
    struct model_node *node;
    uint64_t size = model_random(model, model_random(model, 2) == 0 ? 5000 : MODEL_FILE_MAX);

    if (number == MODEL_NONE) {
        return;
    }
    node = &model->nodes[number];
    model_touch(model, number);
    test_set_size(model->volume, node->inode, size);
    if (size < node->size) {
        memset(node->data + size, 0, node->size - size);
        for (uint64_t page = (size + VOLUME_PAGE_SIZE - 1) / VOLUME_PAGE_SIZE; page < MODEL_PAGES;
             page++) {
            node->dirty[page] = false;
        }
    }
    node->size = size;
}

static void model_chmod(struct model *model)
{
    uint32_t number = model_pick(model, 0);
    struct model_node *node = &model->nodes[number];
    struct stat stat = {.st_mode = (mode_t)model_random(model, 010000)};

    model_touch(model, number);
    assert_int_equal(OPS->set(model->volume, node->inode, &stat, VOLUME_SET_MODE), 0);
    node->mode = (node->mode & S_IFMT) | stat.st_mode;
}

static void model_release(struct model *model, struct model_node *node)
{
    OPS->release(model->volume, node->inode);
    node->holds--;
    if (node->holds == 0 && node->links == 0) {
        model_clear(node);
    }
}

static void model_hold(struct model *model)
{
    struct model_node *node = &model->nodes[model_pick(model, 0)];

    if (node->holds != 0 && model_random(model, 2) == 0) {
        model_release(model, node);
    } else if (node->links != 0) {
        assert_int_equal(OPS->hold(model->volume, node->inode), 0);
        node->holds++;
    }
}

void model_release_all(struct model *model)
{
    for (unsigned i = 0; i < MODEL_NODES; i++) {
        while (model->nodes[i].holds != 0) {
            model_release(model, &model->nodes[i]);
        }
    }
}

void model_step(struct model *model)
{
    static void (*const operations[])(struct model *) = {
        model_make,   model_make,   model_make,  model_link,  model_unlink,
        model_unlink, model_rename, model_write, model_write, model_write,
        model_resize, model_chmod,  model_hold,
    };

    operations[model_random(model, sizeof(operations) / sizeof(operations[0]))](model);
}

/* --- comparing --- */

static void model_compare_contents(struct model *model, const struct model_node *node)
{
    size_t size = (node->size + VOLUME_PAGE_SIZE - 1) / VOLUME_PAGE_SIZE * VOLUME_PAGE_SIZE;
    size_t step = VOLUME_PAGE_SIZE * (1 + model_random(model, 32));

    for (size_t offset = 0; offset < size; offset += step) {
        size_t length = size - offset < step ? size - offset : step;
        void *pages;

        assert_int_equal(OPS->read_pages(model->volume, node->inode, offset, length, &pages), 0);
        for (size_t i = 0; i < length; i += VOLUME_PAGE_SIZE) {
            if (!node->dirty[(offset + i) / VOLUME_PAGE_SIZE]) {
                assert_memory_equal((char *)pages + i, node->data + offset + i, VOLUME_PAGE_SIZE);
            }
        }
        block_device_free(pages, length);
    }
}

static void model_compare_directory(struct model *model, const struct model_node *node)
{
    struct volume_entry entry;
    uint64_t position = 0;
    unsigned count = 0;
    int error;

    while ((error = OPS->read_directory(model->volume, node->inode, position, &entry, &position)) ==
           0) {
        uint32_t number = (uint32_t)(node - model->nodes);
        const struct model_entry *found = model_find(model, number, entry.name);

        if (entry.name[0] != '.' && strcmp(entry.name, "lost+found") != 0) {
            assert_non_null(found);
            assert_int_equal(model->nodes[found->node].inode, entry.inode);
            assert_true(entry.type == DT_UNKNOWN ||
                        entry.type == IFTODT(model->nodes[found->node].mode));
            count++;
        }
    }
    assert_int_equal(error, ENOENT);
    assert_int_equal(count, node->entry_count);
    for (unsigned i = 0; i < node->entry_count; i++) {
        assert_int_equal(test_lookup(model->volume, node->inode, node->entries[i].name),
                         model->nodes[node->entries[i].node].inode);
    }
}

void model_compare(struct model *model)
{
    for (unsigned i = 0; i < MODEL_NODES; i++) {
        const struct model_node *node = &model->nodes[i];
        struct stat stat;

        if (node->mode == 0) {
            continue;
        }
        stat = test_stat(model->volume, node->inode);
        assert_int_equal(stat.st_mode,
                         i == 0 && node->mode == (S_IFDIR | 0755) ? stat.st_mode : node->mode);
        assert_int_equal(stat.st_nlink, node->links + (i == 0)); /* lost+found */
        if (S_ISREG(node->mode)) {
            assert_int_equal((uint64_t)stat.st_size, node->size);
            model_compare_contents(model, node);
        } else if (S_ISDIR(node->mode) && node->links != 0) {
            model_compare_directory(model, node);
        } else if (S_ISLNK(node->mode)) {
            char target[512];
            size_t length;

            assert_int_equal(
                OPS->read_link(model->volume, node->inode, target, sizeof(target), &length), 0);
            assert_int_equal(length, node->size);
            assert_memory_equal(target, node->data, length);
        }
    }
}

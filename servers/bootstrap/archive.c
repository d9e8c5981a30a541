/* archive.c - the boot archive: one pass over the ustar headers makes a tree whose files point into
 * the archive itself. */
#include "archive.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BLOCK         512u
#define NAME_OFFSET   0
#define NAME_SIZE     100
#define MODE_OFFSET   100
#define SIZE_OFFSET   124
#define SUM_OFFSET    148
#define SUM_SIZE      8
#define TYPE_OFFSET   156
#define MAGIC_OFFSET  257
#define PREFIX_OFFSET 345
#define PREFIX_SIZE   155
#define PATH_SIZE     (NAME_SIZE + PREFIX_SIZE + 2)

static uint32_t archive_next_inode = 1;

static uint64_t archive_octal(const char *field, unsigned size)
{
    uint64_t value = 0;

    for (unsigned i = 0; i < size && field[i] >= '0' && field[i] <= '7'; i++) {
        value = value * 8 + (uint64_t)(field[i] - '0');
    }
    return value;
}

static bool archive_sum_is_right(const char *header)
{
    uint64_t sum = 0;

    for (unsigned i = 0; i < BLOCK; i++) {
        bool in_sum = i >= SUM_OFFSET && i < SUM_OFFSET + SUM_SIZE;

        sum += in_sum ? (uint8_t)' ' : (uint8_t)header[i];
    }
    return archive_octal(header + SUM_OFFSET, SUM_SIZE) == sum;
}

static bool archive_is_end(const char *header)
{
    for (unsigned i = 0; i < BLOCK; i++) {
        if (header[i] != 0) {
            return false;
        }
    }
    return true;
}

/* A new member at the end of its directory, so that listings keep the archive's order. */
static struct archive_node *archive_add(struct archive_node *parent, const char *name,
                                        size_t length)
{
    struct archive_node *node = calloc(1, sizeof(*node));
    struct archive_node **link;

    if (node == NULL) {
        return NULL;
    }
    node->name = strndup(name, length);
    if (node->name == NULL) {
        free(node);
        return NULL;
    }
    node->inode = archive_next_inode;
    archive_next_inode++;
    node->mode = 0555;
    node->is_directory = true;
    node->parent = parent != NULL ? parent : node;
    if (parent != NULL) {
        for (link = &parent->child; *link != NULL; link = &(*link)->next) {
        }
        *link = node;
    }
    return node;
}

static struct archive_node *archive_find(struct archive_node *directory, const char *name,
                                         size_t length)
{
    for (struct archive_node *node = directory->child; node != NULL; node = node->next) {
        if (strncmp(node->name, name, length) == 0 && node->name[length] == '\0') {
            return node;
        }
    }
    return NULL;
}

/* The node of a path, its directories made as needed. NULL: out of memory, or a file in the way. */
static struct archive_node *archive_make(struct archive_node *root, const char *path)
{
    struct archive_node *node = root;

    while (*path != '\0' && node != NULL) {
        size_t length = strcspn(path, "/");
        struct archive_node *found = archive_find(node, path, length);

        if (length != 0 && !(length == 1 && path[0] == '.')) {
            if (!node->is_directory) {
                return NULL;
            }
            node = found != NULL ? found : archive_add(node, path, length);
        }
        path += length;
        path += *path == '/';
    }
    return node;
}

static void archive_path(const char *header, char *path)
{
    unsigned length = 0;

    if (header[PREFIX_OFFSET] != '\0') {
        length = (unsigned)strnlen(header + PREFIX_OFFSET, PREFIX_SIZE);
        memcpy(path, header + PREFIX_OFFSET, length);
        path[length] = '/';
        length++;
    }
    memcpy(path + length, header + NAME_OFFSET, strnlen(header + NAME_OFFSET, NAME_SIZE));
    path[length + strnlen(header + NAME_OFFSET, NAME_SIZE)] = '\0';
}

/* One header and its data; false when nothing after it can be trusted. */
static bool archive_read_member(struct archive_node *root, const char *header, uint64_t room,
                                void (*report)(const char *text))
{
    uint64_t size = archive_octal(header + SIZE_OFFSET, 12);
    char type = header[TYPE_OFFSET];
    char path[PATH_SIZE];
    char text[PATH_SIZE + 80];
    struct archive_node *node;

    archive_path(header, path);
    if (size > room) {
        snprintf(text, sizeof(text), "archive: /%s is cut short", path);
        report(text);
        return false;
    }
    if (type != '0' && type != '\0' && type != '5') {
        return true; /* links and the like are not served */
    }
    node = archive_make(root, path);
    if (node == NULL) {
        snprintf(text, sizeof(text), "archive: no place for /%s", path);
        report(text);
        return true;
    }
    node->is_directory = type == '5';
    node->mode = (uint32_t)archive_octal(header + MODE_OFFSET, 8) & 0555;
    node->data = type == '5' ? NULL : header + BLOCK;
    node->size = type == '5' ? 0 : size;
    return true;
}

struct archive_node *archive_open(const void *data, size_t size, void (*report)(const char *text))
{
    struct archive_node *root = archive_add(NULL, "", 0);
    const char *bytes = data;
    uint64_t at = 0;

    while (root != NULL && size - at >= BLOCK && !archive_is_end(bytes + at)) {
        const char *header = bytes + at;

        if (memcmp(header + MAGIC_OFFSET, "ustar", 5) != 0 || !archive_sum_is_right(header)) {
            report("archive: a header is damaged; the files after it are lost");
            break;
        }
        if (!archive_read_member(root, header, size - at - BLOCK, report)) {
            break;
        }
        at += BLOCK +
              ((archive_octal(header + SIZE_OFFSET, 12) + BLOCK - 1) & ~(uint64_t)(BLOCK - 1));
        if (at > size) {
            break; /* the last member lacks its padding */
        }
    }
    return root;
}

bool archive_add_device(struct archive_node *root, const char *path, char device)
{
    struct archive_node *node = archive_make(root, path);

    if (node == NULL) {
        return false;
    }
    node->is_directory = false;
    node->device = device;
    node->mode = 0666;
    return true;
}

struct archive_node *archive_lookup(struct archive_node *root, struct archive_node *from,
                                    const char *path, bool *not_directory)
{
    struct archive_node *node = path[0] == '/' ? root : from;

    *not_directory = false;
    while (*path != '\0' && node != NULL) {
        size_t length = strcspn(path, "/");

        if (!node->is_directory) {
            *not_directory = true;
            return NULL;
        }
        if (length == 2 && path[0] == '.' && path[1] == '.') {
            node = node->parent;
        } else if (length != 0 && !(length == 1 && path[0] == '.')) {
            node = archive_find(node, path, length);
        }
        path += length;
        if (*path == '/' && node != NULL && !node->is_directory) {
            *not_directory = true; /* a slash after a file's name */
            return NULL;
        }
        path += *path == '/';
    }
    return node;
}

struct archive_node *archive_member(struct archive_node *directory, uint64_t n)
{
    struct archive_node *node = directory->child;

    while (node != NULL && n > 0) {
        node = node->next;
        n--;
    }
    return node;
}

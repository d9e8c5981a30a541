/* archive.h - the boot archive as a tree of files. */
#ifndef BOOTSTRAP_ARCHIVE_H
#define BOOTSTRAP_ARCHIVE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A file or directory; all immutable once archive_open has returned. Data lies in the archive. */
struct archive_node {
    char *name;
    struct archive_node *parent; /* the root's is itself */
    struct archive_node *child;  /* first of a directory */
    struct archive_node *next;   /* in the same directory */
    const char *data;
    uint64_t size;
    uint32_t mode;
    uint32_t inode;
    bool is_directory;
    char device; /* 0: none; else what archive_add_device was given */
};

/* Read a ustar archive. What cannot be used is told to report, and the rest is kept.
 * Returns: the root, NULL when out of memory. */
struct archive_node *archive_open(const void *data, size_t size, void (*report)(const char *text));

/* Put a device's node into the tree. Returns: false when out of memory or a file is in the way. */
bool archive_add_device(struct archive_node *root, const char *path, char device);

/* Walk path from a directory, or from the root when it begins with a slash.
 * Returns: the node, or NULL with *not_directory telling whether a file stood in the way. */
struct archive_node *archive_lookup(struct archive_node *root, struct archive_node *from,
                                    const char *path, bool *not_directory);

/* The n-th member of a directory, . and .. not counted; NULL after the last. */
struct archive_node *archive_member(struct archive_node *directory, uint64_t n);

#endif

/* list.h - circular doubly linked lists, the node embedded in the thing that is listed.
 *
 * A node that is on no list points to itself after list_init() or list_remove(), so membership is
 * one compare. Locks: none here; a list is guarded by whatever lock its owner names. */
#ifndef KERN_LIST_H
#define KERN_LIST_H

#include <stdbool.h>
#include <stddef.h>

#include "kern/assert.h"

struct list {
    struct list *next;
    struct list *prev;
};

#define LIST_INITIALIZER(name)                                                                     \
    {                                                                                              \
        &(name), &(name)                                                                           \
    }

/* The structure of `type` whose `member` is at `node`. */
#define list_entry(node, type, member) ((type *)((char *)(node)-offsetof(type, member)))

static inline void list_init(struct list *list)
{
    list->next = list;
    list->prev = list;
}

static inline bool list_empty(const struct list *list)
{
    return list->next == list;
}

/* Is this node on a list? (The node must have been initialised.) */
static inline bool list_is_linked(const struct list *node)
{
    return node->next != node;
}

static inline void list_insert_between(struct list *node, struct list *prev, struct list *next)
{
    assert(prev->next == next && next->prev == prev);
    node->prev = prev;
    node->next = next;
    prev->next = node;
    next->prev = node;
}

static inline void list_insert_head(struct list *list, struct list *node)
{
    list_insert_between(node, list, list->next);
}

static inline void list_insert_tail(struct list *list, struct list *node)
{
    list_insert_between(node, list->prev, list);
}

static inline void list_insert_after(struct list *position, struct list *node)
{
    list_insert_between(node, position, position->next);
}

static inline void list_insert_before(struct list *position, struct list *node)
{
    list_insert_between(node, position->prev, position);
}

static inline void list_remove(struct list *node)
{
    assert(node->prev->next == node && node->next->prev == node);
    node->prev->next = node->next;
    node->next->prev = node->prev;
    list_init(node);
}

/* First or last node, or NULL when the list is empty. */
static inline struct list *list_first(const struct list *list)
{
    return list_empty(list) ? NULL : list->next;
}

static inline struct list *list_last(const struct list *list)
{
    return list_empty(list) ? NULL : list->prev;
}

/* Take the first node off, or NULL. */
static inline struct list *list_pop(struct list *list)
{
    struct list *node = list_first(list);

    if (node != NULL) {
        list_remove(node);
    }
    return node;
}

/* Move all nodes of `from` to the tail of `to`; `from` is empty afterwards. */
static inline void list_splice_tail(struct list *to, struct list *from)
{
    if (list_empty(from)) {
        return;
    }
    from->next->prev = to->prev;
    to->prev->next = from->next;
    from->prev->next = to;
    to->prev = from->prev;
    list_init(from);
}

#define list_for_each(head, node)                                                                  \
    for (struct list *node = (head)->next; (node) != (head); (node) = (node)->next)

/* As list_for_each, but the body may remove `node`. */
#define list_for_each_safe(head, node, following)                                                  \
    for (struct list *node = (head)->next, *following = (node)->next; (node) != (head);            \
         (node) = (following), (following) = (node)->next)

#endif

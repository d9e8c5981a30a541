/* rbtree.h - intrusive red-black trees, in which each node knows the largest value in its subtree.
 *
 * The owner embeds a node and writes the comparison itself: walk from tree->root to a NULL child,
 * then rbtree_insert() links the new node there and rebalances. Values are no part of the order:
 * with them the owner finds the first node, say, whose value is large enough. Where there is no use
 * for that they are 0. Locks: none here; a tree is guarded by whatever lock its owner names. */
#ifndef KERN_RBTREE_H
#define KERN_RBTREE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct rbnode {
    struct rbnode *parent;
    struct rbnode *child[2]; /* left, right */
    uint64_t value;
    uint64_t max; /* of the values in the subtree */
    bool red;
};

struct rbtree {
    struct rbnode *root;
};

#define rbtree_entry(node, type, member) ((type *)((char *)(node)-offsetof(type, member)))

static inline void rbtree_init(struct rbtree *tree)
{
    tree->root = NULL;
}

/* The largest value in the subtree of node, which may be NULL. */
static inline uint64_t rbtree_max(const struct rbnode *node)
{
    return node != NULL ? node->max : 0;
}

/* Link node, whose value is set, as child `side` (0 left, 1 right) of parent, where there is none,
 * and rebalance. parent is NULL in an empty tree. */
void rbtree_insert(struct rbtree *tree, struct rbnode *node, struct rbnode *parent, unsigned side);
/* Take node out. Its links are dead afterwards. */
void rbtree_remove(struct rbtree *tree, struct rbnode *node);
/* Give a node of a tree another value. */
void rbtree_set_value(struct rbnode *node, uint64_t value);

/* Nodes in order; NULL at the end. */
struct rbnode *rbtree_first(const struct rbtree *tree);
struct rbnode *rbtree_last(const struct rbtree *tree);
struct rbnode *rbtree_next(const struct rbnode *node);
struct rbnode *rbtree_prev(const struct rbnode *node);

#endif

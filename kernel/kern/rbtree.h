/* rbtree.h - intrusive red-black trees, with an optional hook that keeps a summary of each subtree.
 *
 * The owner embeds a node and writes the comparison itself: walk from tree->root to a NULL child,
 * then rbtree_insert() links the new node there and rebalances. A tree with an `update` hook has it
 * called, children before parents, on the nodes whose subtree changed, as far up as that shows.
 * Locks: none here; a tree is guarded by whatever lock its owner names. */
#ifndef KERN_RBTREE_H
#define KERN_RBTREE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct rbnode {
    struct rbnode *parent;
    struct rbnode *child[2]; /* left, right */
    bool red;
};

struct rbtree {
    struct rbnode *root;
    /* Recompute the summary of node from its children; true when it is another. NULL: none. */
    bool (*update)(struct rbnode *node);
};

#define rbtree_entry(node, type, member) ((type *)((char *)(node)-offsetof(type, member)))

static inline void rbtree_init(struct rbtree *tree, bool (*update)(struct rbnode *))
{
    tree->root = NULL;
    tree->update = update;
}

/* Link node as child `side` (0 left, 1 right) of parent, where there is none, and rebalance. parent
 * is NULL in an empty tree. */
void rbtree_insert(struct rbtree *tree, struct rbnode *node, struct rbnode *parent, unsigned side);
/* Take node out. Its links are dead afterwards. */
void rbtree_remove(struct rbtree *tree, struct rbnode *node);
/* The values that node's summary depends on have changed: call the hook from node up, as far as the
 * summaries change. */
void rbtree_refresh(struct rbtree *tree, struct rbnode *node);

/* Nodes in order; NULL at the end. */
struct rbnode *rbtree_first(const struct rbtree *tree);
struct rbnode *rbtree_last(const struct rbtree *tree);
struct rbnode *rbtree_next(const struct rbnode *node);
struct rbnode *rbtree_prev(const struct rbnode *node);

#endif

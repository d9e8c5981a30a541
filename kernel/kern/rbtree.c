/* rbtree.c - red-black trees: no red node has a red child, and every path to a leaf has the same
 * number of black nodes. */
#include "kern/rbtree.h"

#include "kern/assert.h"

static bool rbtree_is_red(const struct rbnode *node)
{
    return node != NULL && node->red;
}

static unsigned rbtree_side(const struct rbnode *node)
{
    return node->parent->child[1] == node ? 1 : 0;
}

/* Compute the largest value below a node again; true when it is another. */
static inline bool rbtree_update(struct rbnode *node)
{
    uint64_t left = rbtree_max(node->child[0]);
    uint64_t right = rbtree_max(node->child[1]);
    uint64_t max = node->value;

    max = left > max ? left : max;
    max = right > max ? right : max;
    if (max == node->max) {
        return false;
    }
    node->max = max;
    return true;
}

/* Something below the node, which may be NULL, has changed: update as far up as that shows. */
static inline void rbtree_refresh(struct rbnode *node)
{
    while (node != NULL && rbtree_update(node)) {
        node = node->parent;
    }
}

void rbtree_set_value(struct rbnode *node, uint64_t value)
{
    node->value = value;
    rbtree_refresh(node);
}

/* Put `node` where `old` hangs. */
static void rbtree_replace(struct rbtree *tree, struct rbnode *old, struct rbnode *node)
{
    if (old->parent == NULL) {
        tree->root = node;
    } else {
        old->parent->child[rbtree_side(old)] = node;
    }
    if (node != NULL) {
        node->parent = old->parent;
    }
}

/* Lift the child on the side opposite to `side` above node; node becomes its child on `side`. */
static void rbtree_rotate(struct rbtree *tree, struct rbnode *node, unsigned side)
{
    struct rbnode *up = node->child[1 - side];
    struct rbnode *moved = up->child[side];

    rbtree_replace(tree, node, up);
    up->child[side] = node;
    node->parent = up;
    node->child[1 - side] = moved;
    if (moved != NULL) {
        moved->parent = node;
    }
    (void)rbtree_update(node);
    (void)rbtree_update(up);
}

static __attribute__((noinline)) void rbtree_insert_fix(struct rbtree *tree, struct rbnode *node)
{
    while (rbtree_is_red(node->parent)) {
        struct rbnode *parent = node->parent;
        struct rbnode *grand = parent->parent;
        unsigned side = rbtree_side(parent);
        struct rbnode *uncle = grand->child[1 - side];

        if (rbtree_is_red(uncle)) {
            parent->red = false;
            uncle->red = false;
            grand->red = true;
            node = grand;
            continue;
        }
        if (rbtree_side(node) != side) {
            rbtree_rotate(tree, parent, side);
            parent = node;
        }
        parent->red = false;
        grand->red = true;
        rbtree_rotate(tree, grand, 1 - side);
        break;
    }
    tree->root->red = false;
}

void rbtree_insert(struct rbtree *tree, struct rbnode *node, struct rbnode *parent, unsigned side)
{
    node->parent = parent;
    node->child[0] = NULL;
    node->child[1] = NULL;
    node->red = true;
    node->max = node->value;
    if (parent == NULL) {
        assert(tree->root == NULL);
        tree->root = node;
    } else {
        assert(parent->child[side] == NULL);
        parent->child[side] = node;
    }
    rbtree_refresh(parent);
    if (parent == NULL) {
        node->red = false;
    } else if (parent->red) {
        rbtree_insert_fix(tree, node);
    }
}

/* The subtree on `side` of parent lacks one black node: repair. */
static __attribute__((noinline)) void rbtree_remove_fix(struct rbtree *tree, struct rbnode *parent,
                                                        unsigned side)
{
    struct rbnode *node = parent == NULL ? tree->root : parent->child[side];

    while (parent != NULL && !rbtree_is_red(node)) {
        struct rbnode *sibling;

        side = parent->child[1] == node ? 1 : 0;
        sibling = parent->child[1 - side];
        if (sibling->red) {
            sibling->red = false;
            parent->red = true;
            rbtree_rotate(tree, parent, side);
            sibling = parent->child[1 - side];
        }
        if (!rbtree_is_red(sibling->child[0]) && !rbtree_is_red(sibling->child[1])) {
            sibling->red = true;
            node = parent;
            parent = node->parent;
            continue;
        }
        if (!rbtree_is_red(sibling->child[1 - side])) {
            sibling->child[side]->red = false;
            sibling->red = true;
            rbtree_rotate(tree, sibling, 1 - side);
            sibling = parent->child[1 - side];
        }
        sibling->red = parent->red;
        parent->red = false;
        sibling->child[1 - side]->red = false;
        rbtree_rotate(tree, parent, side);
        return;
    }
    if (node != NULL) {
        node->red = false;
    }
}

/* Put node's successor, which has no left child, in node's place. Returns the
 * lowest node whose subtree changed; *lost_black says that a black node is missing on *side of it.
 */
static struct rbnode *rbtree_swap_out(struct rbtree *tree, struct rbnode *node, unsigned *side,
                                      bool *lost_black)
{
    struct rbnode *next = node->child[1];
    struct rbnode *changed;

    while (next->child[0] != NULL) {
        next = next->child[0];
    }
    *lost_black = !next->red;
    if (next->parent == node) {
        changed = next;
        *side = 1;
    } else {
        changed = next->parent;
        *side = 0;
        rbtree_replace(tree, next, next->child[1]);
        next->child[1] = node->child[1];
        next->child[1]->parent = next;
    }
    rbtree_replace(tree, node, next);
    next->child[0] = node->child[0];
    next->child[0]->parent = next;
    next->red = node->red;
    rbtree_refresh(changed);
    (void)rbtree_update(next);
    rbtree_refresh(next->parent);
    return changed;
}

void rbtree_remove(struct rbtree *tree, struct rbnode *node)
{
    struct rbnode *changed;
    unsigned side = 0;
    bool lost_black;

    if (node->child[0] != NULL && node->child[1] != NULL) {
        changed = rbtree_swap_out(tree, node, &side, &lost_black);
    } else {
        lost_black = !node->red;
        changed = node->parent;
        if (changed != NULL) {
            side = rbtree_side(node);
        }
        rbtree_replace(tree, node, node->child[0] != NULL ? node->child[0] : node->child[1]);
        rbtree_refresh(changed);
    }
    if (lost_black) {
        rbtree_remove_fix(tree, changed, side);
    }
}

static struct rbnode *rbtree_extreme(struct rbnode *node, unsigned side)
{
    while (node != NULL && node->child[side] != NULL) {
        node = node->child[side];
    }
    return node;
}

struct rbnode *rbtree_first(const struct rbtree *tree)
{
    return rbtree_extreme(tree->root, 0);
}

struct rbnode *rbtree_last(const struct rbtree *tree)
{
    return rbtree_extreme(tree->root, 1);
}

/* The neighbour of node on `side`. */
static struct rbnode *rbtree_step(const struct rbnode *node, unsigned side)
{
    if (node->child[side] != NULL) {
        return rbtree_extreme(node->child[side], 1 - side);
    }
    while (node->parent != NULL && rbtree_side(node) == side) {
        node = node->parent;
    }
    return node->parent;
}

struct rbnode *rbtree_next(const struct rbnode *node)
{
    return rbtree_step(node, 1);
}

struct rbnode *rbtree_prev(const struct rbnode *node)
{
    return rbtree_step(node, 0);
}

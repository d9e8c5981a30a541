/* mach_port_set.c - the routines of mach_port.defs on port sets, and the listing of a whole space.
 * See mach_port.h. NO_LOCK_ANALYSIS: as in mach_port.c. */
#include "ipc/mach_port.h"
#include "ipc/ipc_port.h"
#include "ipc/ipc_pset.h"
#include "ipc/ipc_right.h"
#include "ipc/ipc_space.h"
#include "kern/assert.h"
#include "kern/string.h"
#include "vm/slab.h"
#include "vm/vm_map.h"

/* Entries looked at under one hold of the space's lock. */
#define MACH_PORT_SET_BATCH 256u

/* A growing pair of arrays of 32-bit numbers. */
struct mach_port_set_listing {
    uint32_t *names;
    uint32_t *types;
    uint32_t count;
    uint32_t room;
};

static void mach_port_set_listing_free(struct mach_port_set_listing *listing)
{
    if (listing->names != NULL) {
        kfree(listing->names, (uint64_t)listing->room * sizeof(uint32_t));
    }
    if (listing->types != NULL) {
        kfree(listing->types, (uint64_t)listing->room * sizeof(uint32_t));
    }
}

/* Room for at least `room` elements in both arrays. */
static bool mach_port_set_listing_grow(struct mach_port_set_listing *listing, uint32_t room)
{
    struct mach_port_set_listing bigger = {.count = listing->count, .room = room};

    assert(listing->count <= listing->room);
    if (room <= listing->room) {
        return true;
    }
    bigger.names = kalloc((uint64_t)room * sizeof(uint32_t));
    bigger.types = kalloc((uint64_t)room * sizeof(uint32_t));
    if (bigger.names == NULL || bigger.types == NULL) {
        mach_port_set_listing_free(&bigger);
        return false;
    }
    if (listing->count != 0) {
        memcpy(bigger.names, listing->names, listing->count * sizeof(uint32_t));
        memcpy(bigger.types, listing->types, listing->count * sizeof(uint32_t));
    }
    mach_port_set_listing_free(listing);
    *listing = bigger;
    return true;
}

/* One array as a copy of its own; nothing for an empty one. */
static kern_return_t mach_port_set_listing_copy(const uint32_t *numbers, uint32_t count,
                                                struct vm_copy **copy)
{
    assert(count == 0 || numbers != NULL);
    *copy = NULL;
    if (count == 0) {
        return KERN_SUCCESS;
    }
    *copy = vm_copy_from_kernel(numbers, (uint64_t)count * sizeof(*numbers));
    return *copy != NULL ? KERN_SUCCESS : KERN_RESOURCE_SHORTAGE;
}

/* --- all names --- */

/* List some more entries from *index on; the space is locked and has room for MACH_PORT_SET_BATCH
 * more. */
static void mach_port_set_list_batch(struct ipc_space *space, uint32_t *index,
                                     struct mach_port_set_listing *listing) REQUIRES(space->lock)
{
    uint32_t i;

    assert(spin_is_held(&space->lock));
    assert(listing->count + MACH_PORT_SET_BATCH <= listing->room);
    for (i = 0; i < MACH_PORT_SET_BATCH && *index < IPC_ENTRY_MAX; i++) {
        struct ipc_entry *entry = &space->table[*index];

        if ((entry->bits & IPC_ENTRY_TYPE) != 0) {
            mach_port_urefs_t urefs;

            ipc_right_check(space, entry);
            ipc_right_info(space, entry, &listing->types[listing->count], &urefs);
            listing->names[listing->count] = ipc_space_name(space, entry);
            listing->count += 1;
        }
        *index = ipc_space_next_index(space, *index + 1);
    }
}

static kern_return_t mach_port_set_list(struct ipc_space *space,
                                        struct mach_port_set_listing *listing)
{
    uint32_t index = 1;

    while (index < IPC_ENTRY_MAX) {
        if (listing->room < listing->count + MACH_PORT_SET_BATCH &&
            !mach_port_set_listing_grow(listing, 2 * listing->room + MACH_PORT_SET_BATCH)) {
            return KERN_RESOURCE_SHORTAGE;
        }
        spin_lock(&space->lock);
        if (!space->active) {
            spin_unlock(&space->lock);
            return KERN_INVALID_TASK;
        }
        mach_port_set_list_batch(space, &index, listing);
        spin_unlock(&space->lock);
    }
    return KERN_SUCCESS;
}

kern_return_t mach_port_names(struct ipc_space *space, struct vm_copy **names,
                              uint32_t *names_count, struct vm_copy **types, uint32_t *types_count)
{
    struct mach_port_set_listing listing = {NULL, NULL, 0, 0};
    kern_return_t kr;

    kr = mach_port_set_list(space, &listing);
    if (kr == KERN_SUCCESS) {
        kr = mach_port_set_listing_copy(listing.names, listing.count, names);
    }
    if (kr == KERN_SUCCESS) {
        kr = mach_port_set_listing_copy(listing.types, listing.count, types);
        if (kr != KERN_SUCCESS && *names != NULL) {
            vm_copy_discard(*names);
        }
    }
    if (kr == KERN_SUCCESS) {
        *names_count = listing.count;
        *types_count = listing.count;
    }
    mach_port_set_listing_free(&listing);
    return kr;
}

/* --- sets --- */

/* The set a name denotes, the space left locked on success. */
static kern_return_t mach_port_set_lookup(struct ipc_space *space, mach_port_name_t name,
                                          struct ipc_pset **pset) NO_LOCK_ANALYSIS
{
    struct ipc_entry *entry;
    kern_return_t kr = mach_port_lookup(space, name, &entry);

    if (kr != KERN_SUCCESS) {
        return kr;
    }
    if ((entry->bits & MACH_PORT_TYPE_PORT_SET) == 0) {
        spin_unlock(&space->lock);
        return KERN_INVALID_RIGHT;
    }
    *pset = entry->pset;
    return KERN_SUCCESS;
}

/* Names of the members if there is room. A member's name changes only with the space locked, and it
 * is. */
static bool mach_port_set_members(struct ipc_pset *pset, struct mach_port_set_listing *listing)
{
    bool fits;

    spin_lock(&pset->lock);
    fits = pset->member_count <= listing->room;
    listing->count = fits ? 0 : pset->member_count;
    if (fits) {
        list_for_each (&pset->members, node) {
            struct ipc_port *port = list_entry(node, struct ipc_port, pset_link);

            if (port->receiver_name != MACH_PORT_NAME_NULL) {
                listing->names[listing->count] = port->receiver_name;
                listing->count += 1;
            }
        }
    }
    spin_unlock(&pset->lock);
    return fits;
}

kern_return_t mach_port_get_set_status(struct ipc_space *space, mach_port_name_t name,
                                       struct vm_copy **members,
                                       uint32_t *members_count) NO_LOCK_ANALYSIS
{
    struct mach_port_set_listing listing = {NULL, NULL, 0, 0};
    struct ipc_pset *pset;
    kern_return_t kr;
    bool done = false;

    do {
        uint32_t needed = listing.count;

        listing.count = 0;
        if (!mach_port_set_listing_grow(&listing, needed)) {
            kr = KERN_RESOURCE_SHORTAGE;
            break;
        }
        kr = mach_port_set_lookup(space, name, &pset);
        if (kr != KERN_SUCCESS) {
            break;
        }
        done = mach_port_set_members(pset, &listing);
        spin_unlock(&space->lock);
    } while (!done);
    if (kr == KERN_SUCCESS) {
        kr = mach_port_set_listing_copy(listing.names, listing.count, members);
    }
    if (kr == KERN_SUCCESS) {
        *members_count = listing.count;
    }
    mach_port_set_listing_free(&listing);
    return kr;
}

/* Under the space's lock: what the names denote. */
static kern_return_t mach_port_set_resolve(struct ipc_space *space, mach_port_name_t member,
                                           mach_port_name_t after, struct ipc_port **port,
                                           struct ipc_pset **pset) REQUIRES(space->lock)
{
    struct ipc_entry *entry = ipc_right_lookup(space, member);

    assert(spin_is_held(&space->lock));
    *pset = NULL;
    if (entry == NULL) {
        return KERN_INVALID_NAME;
    }
    if ((entry->bits & MACH_PORT_TYPE_RECEIVE) == 0) {
        return KERN_INVALID_RIGHT;
    }
    *port = entry->port;
    if (after == MACH_PORT_NAME_NULL) {
        return KERN_SUCCESS;
    }
    entry = ipc_right_lookup(space, after);
    if (entry == NULL) {
        return KERN_INVALID_NAME;
    }
    if ((entry->bits & MACH_PORT_TYPE_PORT_SET) == 0) {
        return KERN_INVALID_RIGHT;
    }
    *pset = entry->pset;
    return KERN_SUCCESS;
}

/* Locks: space's held. */
static kern_return_t mach_port_set_move(struct ipc_port *port, struct ipc_pset *pset)
{
    kern_return_t kr = KERN_SUCCESS;

    assert(spin_is_held(&port->receiver->lock));
    spin_lock(&port->lock);
    if (pset == NULL && port->pset == NULL) {
        kr = KERN_NOT_IN_SET;
    }
    if (port->pset != pset) {
        if (port->pset != NULL) {
            ipc_pset_remove(port->pset, port);
        }
        if (pset != NULL && !ipc_pset_add(pset, port)) {
            kr = KERN_INVALID_NAME;
        }
    }
    spin_unlock(&port->lock);
    return kr;
}

kern_return_t mach_port_move_member(struct ipc_space *space, mach_port_name_t member,
                                    mach_port_name_t after)
{
    struct ipc_port *port;
    struct ipc_pset *pset;
    kern_return_t kr = KERN_INVALID_TASK;

    spin_lock(&space->lock);
    if (space->active) {
        kr = mach_port_set_resolve(space, member, after, &port, &pset);
    }
    if (kr == KERN_SUCCESS) {
        kr = mach_port_set_move(port, pset);
    }
    spin_unlock(&space->lock);
    return kr;
}

/* mach_port.h - the routines of mach_port.defs: what a task asks of a port name space (its own or
 * one it has the task port of).
 *
 * All return KERN_INVALID_TASK for an ended space (the stub does for a port that is no task's) and
 * KERN_INVALID_NAME for a name that denotes nothing; further codes are listed. Locks: none held.
 * Refs: the space is borrowed. Port arguments are taken over on KERN_SUCCESS only; ports returned
 * are the caller's. */
#ifndef IPC_MACH_PORT_H
#define IPC_MACH_PORT_H

#include <stdint.h>

#include <mach/kern_return.h>
#include <mach/message.h>
#include <mach/port.h>

struct host;
struct ipc_entry;
struct ipc_port;
struct ipc_space;
struct vm_copy;

/* All names and their types, each array a copy to be mapped into the caller. Not one moment's state
 * when the space is in use meanwhile. Returns: KERN_SUCCESS, KERN_INVALID_TASK,
 * KERN_RESOURCE_SHORTAGE. */
kern_return_t mach_port_names(struct ipc_space *space, struct vm_copy **names,
                              uint32_t *names_count, struct vm_copy **types, uint32_t *types_count);
/* Returns also: no other code. */
kern_return_t mach_port_type(struct ipc_space *space, mach_port_name_t name,
                             mach_port_type_t *type);
/* Returns also: KERN_INVALID_VALUE, KERN_NAME_EXISTS, KERN_NO_SPACE, KERN_RESOURCE_SHORTAGE. */
kern_return_t mach_port_rename(struct ipc_space *space, mach_port_name_t old_name,
                               mach_port_name_t new_name);
/* right: RECEIVE, PORT_SET or DEAD_NAME. Returns: KERN_SUCCESS, KERN_INVALID_TASK,
 * KERN_INVALID_VALUE, KERN_NAME_EXISTS, KERN_NO_SPACE, KERN_RESOURCE_SHORTAGE. */
kern_return_t mach_port_allocate_name(struct ipc_space *space, mach_port_right_t right,
                                      mach_port_name_t name);
/* Returns: KERN_SUCCESS, KERN_INVALID_TASK, KERN_INVALID_VALUE, KERN_NO_SPACE,
 * KERN_RESOURCE_SHORTAGE. */
kern_return_t mach_port_allocate(struct ipc_space *space, mach_port_right_t right,
                                 mach_port_name_t *name);
/* Returns also: no other code. */
kern_return_t mach_port_destroy(struct ipc_space *space, mach_port_name_t name);
/* Returns also: KERN_INVALID_RIGHT. */
kern_return_t mach_port_deallocate(struct ipc_space *space, mach_port_name_t name);
/* Returns also: KERN_INVALID_VALUE (right). */
kern_return_t mach_port_get_refs(struct ipc_space *space, mach_port_name_t name,
                                 mach_port_right_t right, mach_port_urefs_t *refs);
/* Returns also: KERN_INVALID_VALUE, KERN_INVALID_RIGHT, KERN_UREFS_OVERFLOW. */
kern_return_t mach_port_mod_refs(struct ipc_space *space, mach_port_name_t name,
                                 mach_port_right_t right, mach_port_delta_t delta);
/* Returns also: KERN_INVALID_VALUE, KERN_INVALID_RIGHT. */
kern_return_t mach_port_set_qlimit(struct ipc_space *space, mach_port_name_t name,
                                   mach_port_msgcount_t qlimit);
/* Returns also: KERN_INVALID_RIGHT. */
kern_return_t mach_port_set_mscount(struct ipc_space *space, mach_port_name_t name,
                                    mach_port_mscount_t mscount);
kern_return_t mach_port_set_seqno(struct ipc_space *space, mach_port_name_t name,
                                  mach_port_seqno_t seqno);
/* Returns also: KERN_INVALID_RIGHT, KERN_RESOURCE_SHORTAGE. */
kern_return_t mach_port_get_set_status(struct ipc_space *space, mach_port_name_t name,
                                       struct vm_copy **members, uint32_t *members_count);
/* after 0: out of its set. Returns also: KERN_INVALID_RIGHT, KERN_NOT_IN_SET. */
kern_return_t mach_port_move_member(struct ipc_space *space, mach_port_name_t member,
                                    mach_port_name_t after);
/* Returns also: KERN_INVALID_VALUE, KERN_INVALID_RIGHT, KERN_INVALID_ARGUMENT,
 * KERN_INVALID_CAPABILITY, KERN_UREFS_OVERFLOW, KERN_RESOURCE_SHORTAGE. */
kern_return_t mach_port_request_notification(struct ipc_space *space, mach_port_name_t name,
                                             mach_msg_id_t id, mach_port_mscount_t sync,
                                             struct ipc_port *notify, struct ipc_port **previous);
/* Returns: KERN_SUCCESS, KERN_INVALID_TASK, KERN_INVALID_VALUE, KERN_INVALID_CAPABILITY,
 * KERN_NAME_EXISTS, KERN_RIGHT_EXISTS, KERN_UREFS_OVERFLOW, KERN_NO_SPACE, KERN_RESOURCE_SHORTAGE.
 */
kern_return_t mach_port_insert_right(struct ipc_space *space, mach_port_name_t name,
                                     struct ipc_port *poly, mach_msg_type_name_t poly_type);
/* Returns also: KERN_INVALID_VALUE, KERN_INVALID_RIGHT. */
kern_return_t mach_port_extract_right(struct ipc_space *space, mach_port_name_t name,
                                      mach_msg_type_name_t disposition, struct ipc_port **poly,
                                      mach_msg_type_name_t *poly_type);
/* Returns also: KERN_INVALID_RIGHT. */
kern_return_t mach_port_get_receive_status(struct ipc_space *space, mach_port_name_t name,
                                           mach_port_status_t *status);
kern_return_t mach_port_set_protected_payload(struct ipc_space *space, mach_port_name_t name,
                                              uint64_t payload);
kern_return_t mach_port_clear_protected_payload(struct ipc_space *space, mach_port_name_t name);
/* Returns also: KERN_INVALID_HOST, KERN_INVALID_ARGUMENT (kind), KERN_INVALID_RIGHT,
 * KERN_INVALID_VALUE (right). */
kern_return_t mach_port_set_ktype(struct host *host, struct ipc_space *space, mach_port_name_t name,
                                  mach_port_right_t right, mach_port_ktype_t ktype);

/* --- mach_debug.defs (mach_debug_port.c) --- */

/* How many send rights there are to a receive right. Returns also: KERN_INVALID_RIGHT. */
kern_return_t mach_port_get_srights(struct ipc_space *space, mach_port_name_t name,
                                    mach_port_rights_t *srights);
kern_return_t mach_port_dnrequest_info(struct ipc_space *space, mach_port_name_t name,
                                       uint32_t *total, uint32_t *used);
/* The kind of kernel object behind a send or receive right. Its address is told by the debug kernel
 * only. Returns also: KERN_INVALID_RIGHT. */
kern_return_t mach_port_kernel_object(struct ipc_space *space, mach_port_name_t name,
                                      uint32_t *object_type, uint64_t *object_address);

/* --- for all files --- */

/* What a name denotes; the space is left locked. Returns: KERN_SUCCESS, KERN_INVALID_TASK,
 * KERN_INVALID_NAME (nothing is locked). */
kern_return_t mach_port_lookup(struct ipc_space *space, mach_port_name_t name,
                               struct ipc_entry **entry);
/* The port of a receive right, locked; the space is not. Returns: KERN_SUCCESS, KERN_INVALID_TASK,
 * KERN_INVALID_NAME, KERN_INVALID_RIGHT. */
kern_return_t mach_port_lock_receive(struct ipc_space *space, mach_port_name_t name,
                                     struct ipc_port **port);

#endif

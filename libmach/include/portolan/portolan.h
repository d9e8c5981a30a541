/* portolan.h - what a program was given at its start, and the ports it always has.
 *
 * Rights are named by the environment variable PORTS: "stdin:5 stdout:6 exit:8 root:10 ...". */
#ifndef PORTOLAN_PORTOLAN_H
#define PORTOLAN_PORTOLAN_H

#include <mach/mach.h>
#include <stdbool.h>
#include <stddef.h>

/* The task's own port and the host's name port, fetched once at the start. The traps of the same
 * names add a reference at each call; call them as (mach_task_self)() if that is wanted. */
extern mach_port_t mach_task_self_;
extern mach_port_t mach_host_self_;
#define mach_task_self() (mach_task_self_)
#define mach_host_self() (mach_host_self_)

/* The right the program was given under that name, or MACH_PORT_NULL. No reference is added: the
 * right belongs to the library, do not deallocate it ("stdin", "stdout", "stderr" and "fdN" belong
 * to the descriptors and go when those are closed). Locks: none. Sleeps: no. */
mach_port_t portolan_port(const char *name);

/* The bootstrap server's port: the right named "bootstrap", or else the task's bootstrap port.
 * MACH_PORT_NULL when there is none. Sleeps: for the kernel only. */
mach_port_t portolan_bootstrap(void);

/* A send right to the service of that name (bootstrap_look_up at portolan_bootstrap()). The caller
 * owns a reference. Returns: KERN_SUCCESS, KERN_INVALID_NAME, KERN_FAILURE (no bootstrap port). */
kern_return_t portolan_look_up(const char *name, mach_port_t *service);

/* The receive right of a declared service (bootstrap_check_in). Returns: KERN_SUCCESS,
 * KERN_INVALID_NAME (no such service), KERN_FAILURE (no bootstrap port). */
kern_return_t portolan_check_in(const char *name, mach_port_t *receive);

/* New receive right; with send, a send right under the same name beside it.
 * Returns: KERN_SUCCESS, and those of mach_port_allocate. */
kern_return_t portolan_port_allocate(bool send, mach_port_t *port);

/* Drop the receive right (the port dies). */
void portolan_port_destroy_receive(mach_port_t port);

/* End the program at once: tell the starter the status (as wait(2): code << 8 | signal) and
 * terminate the task. Nothing is flushed; exit(3) does that and then comes here. */
_Noreturn void portolan_exit(int status);

/* The object behind an open file descriptor, borrowed, or MACH_PORT_NULL (closed, or a pipe). */
mach_port_t portolan_fd_port(int fd);

/* A file descriptor for an object of io.defs; takes the send right over. Returns the descriptor, or
 * -errno, and then took nothing. */
int portolan_fd_open(mach_port_t object, int flags);

/* Open a path (relative to the working directory) as a Mach object; flags as open(2). The caller
 * owns the right. Returns: KERN_SUCCESS, PORTOLAN_ERRNO(...), errors of mach_msg. */
kern_return_t portolan_open(const char *path, int flags, int mode, mach_port_t *object);

/* Read a whole file into fresh pages, a NUL behind it: vm_deallocate mach_round_page(size + 1).
 * Returns: as portolan_open; PORTOLAN_ERRNO(EISDIR); those of vm_allocate. */
kern_return_t portolan_read_file(const char *path, void **data, size_t *size);

/* Give back the part of this thread's stack below the next 64 KiB: the first thread's is large. */
void portolan_trim_stack(void);

/* Keep the memory of this program in memory: what is there, and what malloc and mmap get later;
 * the stack is trimmed first. What messages bring is not wired. host is the host's port, with which
 * a task may wire 8 MiB, or the privileged one. Returns: KERN_SUCCESS, and those of vm_wire, with
 * part of it wired. */
kern_return_t portolan_wire(mach_port_t host);

/* Formatted text to the kernel's console, whatever stdout is; at most 256 bytes. */
void portolan_print(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif

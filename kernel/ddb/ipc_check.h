/* ipc_check.h - the ledger of rights: walk all spaces and queues, and compare the counts in each
 * port with the rights that exist. */
#ifndef DDB_IPC_CHECK_H
#define DDB_IPC_CHECK_H

#include <stdint.h>

struct ipc_check_result {
    uint64_t spaces;
    uint64_t names;   /* entries in use */
    uint64_t ports;   /* live ports seen */
    uint64_t kmsgs;   /* queued messages seen */
    uint64_t srights; /* send rights in entries and messages */
    uint64_t sorights;
    uint64_t kernel_srights; /* counted by ports and found nowhere: the kernel holds them */
    uint64_t kernel_sorights;
    uint64_t errors; /* more rights found than counted, two receive rights, a name that is wrong
                        ...: always 0 */
};

/* Walk everything. Nothing else may run: in tests, or by quiet_run().
 * Locks: that of the list of spaces. Sleeps: no. */
void ipc_check(struct ipc_check_result *result);

#endif

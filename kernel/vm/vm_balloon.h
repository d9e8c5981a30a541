/* vm_balloon.h - memory given back to the monitor this system is a guest of (mach/hypercall.h).
 *
 * The monitor says how much it would like to have. It is given free pages only, in blocks, and
 * never so many that the rest would be little; when memory gets low all the same, they are taken
 * back. They are nobody's and charged to nobody. */
#ifndef VM_VM_BALLOON_H
#define VM_VM_BALLOON_H

#include <stdbool.h>
#include <stdint.h>

/* Start the thread, when there is a monitor that may ask for memory. After irq_init(). */
void vm_balloon_start(void);
/* Give, or take back, until the monitor has what it would like, or what can be spared: what the
 * thread does. Locks: none. Sleeps: yes. Returns: false when it has less than it would like. */
bool vm_balloon_settle(void);
/* Memory is low: take so many pages back, a few more, or all there are. Locks: none. Sleeps: no.
 * Returns: how many. */
uint64_t vm_balloon_take_back(uint64_t npages);
/* Pages the monitor has. */
uint64_t vm_balloon_count(void);

#endif

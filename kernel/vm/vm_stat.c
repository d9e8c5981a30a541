/* vm_stat.c - sums of the per-processor counts. */
#include "vm/vm_stat.h"

#include "kern/atomic.h"
#include "kern/string.h"

struct vm_stat vm_stat_cpu[CPU_MAX];

void vm_stat_total(struct vm_stat *total)
{
    memset(total, 0, sizeof(*total));
    for (unsigned i = 0; i < CPU_MAX; i += 1) {
        total->faults += atomic_load(&vm_stat_cpu[i].faults);
        total->zero_fills += atomic_load(&vm_stat_cpu[i].zero_fills);
        total->cow_faults += atomic_load(&vm_stat_cpu[i].cow_faults);
        total->lookups += atomic_load(&vm_stat_cpu[i].lookups);
        total->hits += atomic_load(&vm_stat_cpu[i].hits);
        total->pageins += atomic_load(&vm_stat_cpu[i].pageins);
        total->pageouts += atomic_load(&vm_stat_cpu[i].pageouts);
        total->reactivations += atomic_load(&vm_stat_cpu[i].reactivations);
    }
}

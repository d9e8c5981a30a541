/* backtrace.c - backtraces by frame pointer. The symbol table is made after the kernel
 * is linked once and then linked in (tools/symbols.py): addresses in order, each with the offset of
 * its name. */
#include "ddb/backtrace.h"

#include "arch/pmap.h"
#include "kern/printf.h"

#define BACKTRACE_DEPTH 32

struct symbol {
    uint64_t address;
    const char *name;
};

extern const struct symbol symbol_table_start[], symbol_table_end[];
extern char kernel_text_start[], kernel_text_end[];

const char *backtrace_symbol(uint64_t address, uint64_t *offset)
{
    uint64_t low = 0;
    uint64_t high = (uint64_t)(symbol_table_end - symbol_table_start);

    if (address < (uint64_t)kernel_text_start || address >= (uint64_t)kernel_text_end ||
        high == 0) {
        return NULL;
    }
    while (high - low > 1) {
        uint64_t middle = (low + high) / 2;

        if (symbol_table_start[middle].address <= address) {
            low = middle;
        } else {
            high = middle;
        }
    }
    *offset = address - symbol_table_start[low].address;
    return symbol_table_start[low].name;
}

static void backtrace_print_one(unsigned depth, uint64_t rip)
{
    uint64_t offset = 0;
    const char *name = backtrace_symbol(rip, &offset);

    kprintf("  #%-2u %016lx %s+0x%lx\n", depth, rip, name != NULL ? name : "?", offset);
}

/* May the kernel read two words there? */
static bool backtrace_can_read(uint64_t address)
{
    return (address & 7) == 0 && pmap_kernel_can_read(address) && pmap_kernel_can_read(address + 8);
}

void backtrace_print(uint64_t rip, uint64_t rbp)
{
    if (rip != 0) {
        backtrace_print_one(0, rip);
    }
    for (unsigned depth = 1; depth < BACKTRACE_DEPTH && backtrace_can_read(rbp); depth++) {
        uint64_t *frame = (uint64_t *)rbp;

        if (frame[1] == 0) {
            break;
        }
        backtrace_print_one(depth, frame[1]);
        if (frame[0] <= rbp) {
            break;
        }
        rbp = frame[0];
    }
}

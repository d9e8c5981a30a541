/* ddb.c - the kernel debugger: reads commands from the serial line while everything else stands
 * still.
 *
 * Nothing here takes a lock or allocates: the machine may have stopped anywhere. Memory is read
 * only where the kernel map has a page. */
#include "ddb/ddb.h"

#include "arch/boot_info.h"
#include "arch/interrupt.h"
#include "arch/iommu.h"
#include "arch/ipi.h"
#include "arch/panic.h"
#include "arch/pmap.h"
#include "ddb/backtrace.h"
#include "hv/hv.h"
#include "ipc/ipc_port.h"
#include "ipc/ipc_space.h"
#include "kern/atomic.h"
#include "kern/console.h"
#include "kern/host.h"
#include "kern/kobject.h"
#include "kern/printf.h"
#include "kern/string.h"
#include "kern/task.h"
#include "kern/thread.h"
#include "kern/trace.h"
#include "vm/vm_map.h"
#include "vm/vm_map_impl.h"
#include "vm/vm_page.h"

#define LINE_MAX  80
#define WORDS_MAX 4

struct ddb_command {
    const char *name;
    const char *arguments;
    const char *what;
    void (*run)(unsigned words, char **word);
};

static bool ddb_wanted; /* [I] `ddb` is on the command line */
static bool ddb_done;
static bool ddb_active; /* [a] the other processors wait */

static uint64_t ddb_number(const char *text)
{
    uint64_t value = 0;
    unsigned base = 10;

    if (text[0] == '0' && text[1] == 'x') {
        base = 16;
        text += 2;
    }
    for (; *text != '\0'; text++) {
        unsigned digit = *text >= 'a' ? (unsigned)(*text - 'a') + 10 : (unsigned)(*text - '0');

        if (digit >= base) {
            break;
        }
        value = value * base + digit;
    }
    return value;
}

/* The task with that id, or NULL. */
static struct task *ddb_find_task(unsigned words, char **word)
{
    uint64_t id = words > 1 ? ddb_number(word[1]) : 0;

    list_for_each (task_list_head(), node) {
        struct task *task = list_entry(node, struct task, list_link);

        if (task->id == id) {
            return task;
        }
    }
    kprintf("no task %lu; `ps` lists them\n", id);
    return NULL;
}

static void ddb_ps(unsigned words, char **word)
{
    kprintf("  id threads  names    pages name\n");
    list_for_each (task_list_head(), node) {
        struct task *task = list_entry(node, struct task, list_link);

        kprintf("%4lu %7u %6u %8lu %s%s\n", task->id, task->thread_count,
                task->space != NULL ? ipc_space_name_count(task->space) : 0,
                pmap_resident_count(task->pmap), task->name, task->dying ? " (ending)" : "");
    }
}

static const char *ddb_wait_name(const struct thread *t)
{
    static const char *const names[] = {
        [THREAD_RUNNING] = "runnable", [THREAD_WAITING] = "waiting",
        [THREAD_CLAIMED] = "claimed",  [THREAD_CLAIMED_EARLY] = "claimed-early",
        [THREAD_DEAD] = "dead",        [THREAD_BLOCKED] = "blocked"};

    return t->on_cpu                                             ? "running"
           : t->wait <= THREAD_BLOCKED && names[t->wait] != NULL ? names[t->wait]
                                                                 : "?";
}

static void ddb_print_thread(const struct thread *t)
{
    uint64_t offset = 0;
    const char *name =
        t->continuation != NULL ? backtrace_symbol((uint64_t)t->continuation, &offset) : NULL;

    kprintf("  thread %lu cpu %u prio %d/%d %s flags %x rip %lx %s%s\n", t->id, t->cpu, t->priority,
            t->base_priority, ddb_wait_name(t), t->flags, t->pcb.regs.rip,
            name != NULL ? "in " : "", name != NULL ? name : "");
}

static void ddb_threads(unsigned words, char **word)
{
    list_for_each (task_list_head(), node) {
        struct task *task = list_entry(node, struct task, list_link);

        if (words > 1 && task->id != ddb_number(word[1])) {
            continue;
        }
        kprintf("task %lu %s\n", task->id, task->name);
        list_for_each (&task->threads, link) {
            ddb_print_thread(list_entry(link, struct thread, task_link));
        }
    }
}

static void ddb_print_entry(struct ipc_space *space, struct ipc_entry *entry)
{
    uint32_t type = entry->bits & IPC_ENTRY_TYPE;
    const struct ipc_port *port = entry->port;

    kprintf("  %8x%s%s%s%s%s refs %u", ipc_space_name(space, entry),
            (type & MACH_PORT_TYPE_RECEIVE) != 0 ? " receive" : "",
            (type & MACH_PORT_TYPE_SEND) != 0 ? " send" : "",
            (type & MACH_PORT_TYPE_SEND_ONCE) != 0 ? " send-once" : "",
            (type & MACH_PORT_TYPE_PORT_SET) != 0 ? " set" : "",
            (type & MACH_PORT_TYPE_DEAD_NAME) != 0 ? " dead" : "", entry->bits & IPC_ENTRY_UREFS);
    if ((type & (MACH_PORT_TYPE_SEND_RECEIVE | MACH_PORT_TYPE_SEND_ONCE)) != 0 && IP_VALID(port)) {
        kprintf(" port %p sends %u queued %u %s", (const void *)port, port->srights, port->msgcount,
                kobject_type_name[port->kobject_type]);
    }
    kprintf("\n");
}

static void ddb_ports(unsigned words, char **word)
{
    struct task *task = ddb_find_task(words, word);

    if (task == NULL || task->space == NULL) {
        return;
    }
    for (uint32_t i = ipc_space_next_index(task->space, 1); i < IPC_ENTRY_MAX;
         i = ipc_space_next_index(task->space, i + 1)) {
        struct ipc_entry *entry = ipc_space_entry_at(task->space, i);

        if (entry != NULL && (entry->bits & IPC_ENTRY_TYPE) != 0) {
            ddb_print_entry(task->space, entry);
        }
    }
}

static void ddb_maps(unsigned words, char **word)
{
    struct task *task = ddb_find_task(words, word);

    if (task == NULL || task->map == NULL) {
        return;
    }
    for (struct rbnode *node = rbtree_first(&task->map->entries); node != NULL;
         node = rbtree_next(node)) {
        const struct vm_map_entry *e = rbtree_entry(node, struct vm_map_entry, node);

        kprintf("  %012lx-%012lx %c%c%c object %p offset %lx\n", e->start, e->end,
                (e->protection & VM_PROT_READ) != 0 ? 'r' : '-',
                (e->protection & VM_PROT_WRITE) != 0 ? 'w' : '-',
                (e->protection & VM_PROT_EXECUTE) != 0 ? 'x' : '-', (void *)e->object, e->offset);
    }
}

static void ddb_locks(unsigned words, char **word)
{
    spinlock_debug_print();
}

static void ddb_iommu(unsigned words, char **word)
{
    iommu_print();
}

static void ddb_machines(unsigned words, char **word)
{
    hv_print();
}

static void ddb_trace(unsigned words, char **word)
{
    trace_print_last(words > 1 ? (unsigned)ddb_number(word[1]) : 32);
}

static void ddb_bt(unsigned words, char **word)
{
    uint64_t id = words > 1 ? ddb_number(word[1]) : 0;

    if (words < 2) {
        backtrace_print(0, (uint64_t)__builtin_frame_address(0));
        return;
    }
    list_for_each (task_list_head(), node) {
        list_for_each (&list_entry(node, struct task, list_link)->threads, link) {
            const struct thread *t = list_entry(link, struct thread, task_link);

            if (t->id == id && t->pcb.kernel_stack == 0) {
                ddb_print_thread(t);
                kprintf(t->on_cpu ? "  it runs\n"
                                  : "  no kernel stack: it goes on with its continuation\n");
            } else if (t->id == id) {
                const uint64_t *stack = (const uint64_t *)t->pcb.kernel_rsp;

                ddb_print_thread(t);
                backtrace_print(stack[6], stack[4]); /* as switch_stacks left them */
            }
        }
    }
}

static void ddb_x(unsigned words, char **word)
{
    uint64_t address = words > 1 ? ddb_number(word[1]) & ~7ul : 0;
    uint64_t count = words > 2 ? ddb_number(word[2]) : 8;

    for (uint64_t i = 0; i < count && i < 512; i++, address += 8) {
        if (!pmap_kernel_can_read(address)) {
            kprintf("%016lx: not mapped\n", address);
            return;
        }
        kprintf("%016lx: %016lx\n", address, *(uint64_t *)address);
    }
}

static void ddb_continue(unsigned words, char **word)
{
    ddb_done = true;
}

static void ddb_reboot(unsigned words, char **word)
{
    host_restart();
}

static void ddb_help(unsigned words, char **word);

static const struct ddb_command ddb_commands[] = {
    {"ps", "", "list tasks", ddb_ps},
    {"threads", "[TASK]", "list threads", ddb_threads},
    {"ports", "TASK", "names of a task and what they are", ddb_ports},
    {"maps", "TASK", "address map of a task", ddb_maps},
    {"locks", "", "spin locks held by each processor", ddb_locks},
    {"iommu", "", "what devices reach memory, and what they may not", ddb_iommu},
    {"machines", "", "virtual machines, their processors and APICs", ddb_machines},
    {"trace", "[N]", "last N events", ddb_trace},
    {"bt", "[THREAD]", "kernel stack of a thread, or of this one", ddb_bt},
    {"x", "ADDRESS [N]", "N words of kernel memory", ddb_x},
    {"c", "", "continue", ddb_continue},
    {"reboot", "", "restart the machine", ddb_reboot},
    {"help", "", "this list", ddb_help},
};

static void ddb_help(unsigned words, char **word)
{
    for (unsigned i = 0; i < sizeof(ddb_commands) / sizeof(ddb_commands[0]); i++) {
        kprintf("  %-8s %-12s %s\n", ddb_commands[i].name, ddb_commands[i].arguments,
                ddb_commands[i].what);
    }
}

static void ddb_read_line(char *line)
{
    unsigned n = 0;

    kprintf("ddb> ");
    for (;;) {
        int c = console_poll();

        if (c == '\r' || c == '\n') {
            break;
        }
        if ((c == 8 || c == 127) && n > 0) {
            n--;
            kprintf("\b \b");
        } else if (c >= ' ' && c < 127 && n + 1 < LINE_MAX) {
            line[n] = (char)c;
            n++;
            kprintf("%c", c);
        }
    }
    line[n] = '\0';
    kprintf("\n");
}

static unsigned ddb_split(char *line, char **word)
{
    unsigned n = 0;

    while (n < WORDS_MAX) {
        while (*line == ' ') {
            *line = '\0';
            line++;
        }
        if (*line == '\0') {
            break;
        }
        word[n] = line;
        n++;
        while (*line != ' ' && *line != '\0') {
            line++;
        }
    }
    return n;
}

static void ddb_run(unsigned words, char **word)
{
    for (unsigned i = 0; i < sizeof(ddb_commands) / sizeof(ddb_commands[0]); i++) {
        if (strcmp(word[0], ddb_commands[i].name) == 0) {
            ddb_commands[i].run(words, word);
            return;
        }
    }
    kprintf("%s: no such command; `help` lists them\n", word[0]);
}

void ddb_init(void)
{
    char unused[4];

    ddb_wanted = CONFIG_DEBUG && boot_info_option("ddb", unused, sizeof(unused));
}

void ddb_enter(const char *why)
{
    char line[LINE_MAX];
    char *word[WORDS_MAX];
    uint64_t flags;

    if (!ddb_wanted) {
        return;
    }
    flags = interrupt_save_disable();
    atomic_store_release(&ddb_active, true);
    ipi_stop_others();
    console_break_lock(true);
    kprintf("ddb: %s; `help` lists commands, `c` continues\n", why);
    ddb_done = false;
    while (!ddb_done) {
        unsigned words;

        ddb_read_line(line);
        words = ddb_split(line, word);
        if (words > 0) {
            ddb_run(words, word);
        }
    }
    console_break_lock(panic_is_under_way());
    atomic_store_release(&ddb_active, false);
    interrupt_restore(flags);
}

void ddb_wait(void)
{
    while (atomic_load_acquire(&ddb_active)) {
        cpu_relax();
    }
}

/* processor.c - ports of processors and of the processor set. */
#include "kern/processor.h"

#include "ipc/ipc_port.h"
#include "kern/assert.h"
#include "kern/kobject.h"

struct processor processor_table[CPU_MAX];
struct processor_set processor_set_default_set;

static struct ipc_port *processor_make_port(enum kobject_type type, void *object)
{
    struct ipc_port *port = ipc_port_alloc_kernel(type, object);

    if (port == NULL) {
        panic("no memory for a %s port", kobject_type_name[type]);
    }
    return port;
}

void processor_init(void)
{
    struct processor_set *set = &processor_set_default_set;

    for (uint32_t i = 0; i < cpu_count; i++) {
        struct processor *p = &processor_table[i];

        p->number = i;
        p->port = processor_make_port(KOBJECT_PROCESSOR, p);
        p->name_port = processor_make_port(KOBJECT_PROCESSOR_NAME, p);
    }
    set->port = processor_make_port(KOBJECT_PSET, set);
    set->name_port = processor_make_port(KOBJECT_PSET_NAME, set);
}

void pset_unref(struct processor_set *pset) {}

/* vm_init.c - starting the memory system. */
#include "vm/vm_init.h"

#include "vm/kmem.h"
#include "vm/vm_map.h"
#include "vm/vm_object.h"

void vm_init(void)
{
    kmem_bootstrap();
    vm_object_bootstrap();
    vm_map_bootstrap();
}

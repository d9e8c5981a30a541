/* vm_init.c - starting the memory system. */
#include "vm/vm_init.h"

#include "arch/boot_info.h"
#include "kern/string.h"
#include "vm/kmem.h"
#include "vm/memory_object.h"
#include "vm/vm_map.h"
#include "vm/vm_object.h"
#include "vm/vm_pageout.h"

/* `ool=copy` or `ool=share` on the command line: out-of-line memory of all sizes one way, to
 * measure where the threshold belongs. */
static void vm_init_threshold(void)
{
    char value[8];

    if (!boot_info_option("ool", value, sizeof(value))) {
        return;
    }
    if (strcmp(value, "copy") == 0) {
        vm_map_copyin_set_threshold(~0ul);
    } else if (strcmp(value, "share") == 0) {
        vm_map_copyin_set_threshold(0);
    }
}

void vm_init(void)
{
    kmem_bootstrap();
    vm_pageout_bootstrap();
    vm_object_bootstrap();
    memory_object_bootstrap();
    vm_map_bootstrap();
    vm_init_threshold();
}

/* vm_init.h - starting the memory system, in the order its parts need each other. */
#ifndef VM_VM_INIT_H
#define VM_VM_INIT_H

/* Kernel address ranges, objects, maps. After vm_page_bootstrap() and slab_bootstrap(); one
 * processor, no threads needed. */
void vm_init(void);

#endif

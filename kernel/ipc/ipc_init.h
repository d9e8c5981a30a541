/* ipc_init.h - start-up of kernel/ipc. */
#ifndef IPC_IPC_INIT_H
#define IPC_IPC_INIT_H

/* Set up the caches. After slab_bootstrap() and kmem_bootstrap(), before the first task or port. */
void ipc_init(void);

#endif

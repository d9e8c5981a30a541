/* hardware.h - raw hardware for user tasks: interrupts, device memory, memory for devices, I/O
 * ports. Everything is made from the hardware port. */
#ifndef DEVICE_HARDWARE_H
#define DEVICE_HARDWARE_H

#include <stdbool.h>

struct hardware_dma;
struct hardware_hypercall;
struct hardware_irq;
struct io_perm;
struct ipc_port;

/* Start the thread that turns interrupts into messages. */
void hardware_init(void);
/* Is this the hardware port? */
bool hardware_is_port(struct ipc_port *port);

struct hardware_irq *convert_port_to_irq(struct ipc_port *port);
struct ipc_port *convert_irq_to_port(struct hardware_irq *irq);
void hardware_irq_unref(struct hardware_irq *irq);

struct hardware_dma *convert_port_to_dma(struct ipc_port *port);
struct ipc_port *convert_dma_to_port(struct hardware_dma *dma);
void hardware_dma_unref(struct hardware_dma *dma);
struct hardware_hypercall *convert_port_to_hypercall(struct ipc_port *port);
struct ipc_port *convert_hypercall_to_port(struct hardware_hypercall *hypercall);
void hardware_hypercall_unref(struct hardware_hypercall *hypercall);

struct io_perm *convert_port_to_io_perm(struct ipc_port *port);
struct ipc_port *convert_io_perm_to_port(struct io_perm *io_perm);
void io_perm_unref(struct io_perm *io_perm);

#endif

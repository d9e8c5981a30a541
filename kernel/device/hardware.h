/* hardware.h - raw hardware for user tasks: interrupts, device memory, memory for devices, I/O
 * ports. Everything is made from the hardware port. */
#ifndef DEVICE_HARDWARE_H
#define DEVICE_HARDWARE_H

#include <mach/kern_return.h>
#include <stdbool.h>
#include <stdint.h>

struct dma_pin;
struct hardware_block;
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
struct hardware_block *convert_port_to_block(struct ipc_port *port);
struct ipc_port *convert_block_to_port(struct hardware_block *block);
void hardware_block_unref(struct hardware_block *block);

/* Another reference for one who has one. */
void hardware_dma_ref(struct hardware_dma *dma);
/* Have what dma_pin has pinned as `id` stay so, whatever becomes of it and of the right. Locks:
 * none. Refs: the caller's dma; *pin is the caller's, and holds one of dma. Sleeps: no. Returns:
 * KERN_SUCCESS, KERN_INVALID_NAME (no such pin). */
kern_return_t hardware_dma_hold(struct hardware_dma *dma, int id, struct dma_pin **pin);
/* It is not used any more. Locks: none. Refs: takes the pin, and what it held of dma. Sleeps: yes.
 */
void hardware_dma_release(struct hardware_dma *dma, struct dma_pin *pin);
/* Of what is held: its bytes, whole pages; may they be written; the physical address of the n-th
 * page. Locks: none. */
uint64_t hardware_dma_size(const struct dma_pin *pin);
bool hardware_dma_is_writable(const struct dma_pin *pin);
uint64_t hardware_dma_page(const struct dma_pin *pin, uint64_t n);

struct io_perm *convert_port_to_io_perm(struct ipc_port *port);
struct ipc_port *convert_io_perm_to_port(struct io_perm *io_perm);
void io_perm_unref(struct io_perm *io_perm);

#endif

/* msix.h - interrupts that are messages: the MSI-X capability of a PCI function (PCI Local Bus
 * Specification 3.0, 6.8.2). The table and the pending bits are in one BAR, a page. */
#ifndef VMM_MSIX_H
#define VMM_MSIX_H

#include <stdbool.h>
#include <stdint.h>

#include "pci.h"

#define MSIX_VECTORS_MAX 16u

/* Send a message to the machine's local APICs. Called with the machine's lock held. */
typedef void msix_send_function(void *context, uint64_t address, uint32_t data);

struct msix_vector {
    uint32_t address;
    uint32_t address_high;
    uint32_t data;
    bool is_masked;
    bool is_pending;
};

/* All zeroes: a function without the capability. */
struct msix {
    struct pci_function *function;
    unsigned capability; /* where it is in configuration space */
    unsigned count;
    msix_send_function *send;
    void *context;
    struct msix_vector vectors[MSIX_VECTORS_MAX];
};

/* Give a function the capability and the BAR, before it is inserted. count: 1 to MSIX_VECTORS_MAX.
 * False: no room for it. */
bool msix_init(struct msix *msix, struct pci_function *function, unsigned bar, unsigned count,
               msix_send_function *send, void *context);
/* As after a reset. */
void msix_reset(struct msix *msix);
/* Has the driver turned it on? Then there are no interrupts by INTA. */
bool msix_is_enabled(const struct msix *msix);
/* Send a vector's message, or remember it while that is masked. No vector of that number: nothing.
 */
void msix_raise(struct msix *msix, unsigned vector);
/* The function's configuration was written: what is no longer masked is sent. */
void msix_written(struct msix *msix);

#endif

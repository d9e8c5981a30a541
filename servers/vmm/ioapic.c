/* ioapic.c - the I/O interrupt controller: edges are sent once, levels until nobody asks any more.
 */
#include "ioapic.h"

#define SIZE 0x1000u

#define SELECT  0x00u /* registers in memory */
#define WINDOW  0x10u
#define END     0x40u
#define ID      0x00u /* registers behind the window */
#define VERSION 0x01u
#define ENTRIES 0x10u

#define VERSION_VALUE (0x20u | (IOAPIC_LINES - 1) << 16)

#define ENTRY_VECTOR   0xffull
#define ENTRY_MODE     0x700ull
#define ENTRY_LOGICAL  0x800ull
#define ENTRY_SENT     0x4000ull /* a level: until the local APIC says that it is dealt with */
#define ENTRY_LEVEL    0x8000ull
#define ENTRY_MASKED   0x10000ull
#define ENTRY_WRITABLE 0xff0000000001afffull
#define ENTRY_TARGET   56u

#define MESSAGE_ADDRESS 0xfee00000u
#define MESSAGE_TARGET  12u
#define MESSAGE_LOGICAL 4u
#define MESSAGE_ASSERT  0x4000u
#define MESSAGE_LEVEL   0x8000u

static void ioapic_send(struct ioapic *ioapic, unsigned line)
{
    uint64_t entry = ioapic->entries[line];
    uint64_t address = MESSAGE_ADDRESS | entry >> ENTRY_TARGET << MESSAGE_TARGET;
    uint32_t data = (uint32_t)(entry & (ENTRY_VECTOR | ENTRY_MODE)) | MESSAGE_ASSERT;

    address |= (entry & ENTRY_LOGICAL) != 0 ? MESSAGE_LOGICAL : 0;
    if ((entry & ENTRY_LEVEL) != 0) {
        data |= MESSAGE_LEVEL;
        ioapic->entries[line] |= ENTRY_SENT;
    }
    ioapic->send(ioapic->context, address, data);
}

/* A level that is up, not masked, and not under way is sent. */
static void ioapic_try_level(struct ioapic *ioapic, unsigned line)
{
    uint64_t entry = ioapic->entries[line];

    if ((entry & (ENTRY_LEVEL | ENTRY_MASKED | ENTRY_SENT)) == ENTRY_LEVEL &&
        (ioapic->raised >> line & 1) != 0) {
        ioapic_send(ioapic, line);
    }
}

void ioapic_set(void *device, unsigned line, bool level)
{
    struct ioapic *ioapic = device;
    uint32_t bit = line < IOAPIC_LINES ? 1u << line : 0;
    bool was = (ioapic->raised & bit) != 0;

    ioapic->raised = level ? ioapic->raised | bit : ioapic->raised & ~bit;
    if (bit == 0 || !level || was) {
        return;
    }
    if ((ioapic->entries[line] & ENTRY_LEVEL) != 0) {
        ioapic_try_level(ioapic, line);
    } else if ((ioapic->entries[line] & ENTRY_MASKED) == 0) {
        ioapic_send(ioapic, line);
    }
}

void ioapic_end(struct ioapic *ioapic, uint8_t vector)
{
    for (unsigned line = 0; line < IOAPIC_LINES; line++) {
        uint64_t *entry = &ioapic->entries[line];

        if ((*entry & ENTRY_VECTOR) == vector && (*entry & ENTRY_SENT) != 0) {
            *entry &= ~ENTRY_SENT;
            ioapic_try_level(ioapic, line);
        }
    }
}

/* --- registers --- */

static uint32_t ioapic_read_window(const struct ioapic *ioapic)
{
    unsigned n = ioapic->select - ENTRIES;

    if (ioapic->select == ID) {
        return (uint32_t)ioapic->id << 24;
    }
    if (ioapic->select == VERSION) {
        return VERSION_VALUE;
    }
    return ioapic->select >= ENTRIES && n / 2 < IOAPIC_LINES
               ? (uint32_t)(ioapic->entries[n / 2] >> (32 * (n & 1)))
               : 0;
}

static void ioapic_write_entry(struct ioapic *ioapic, unsigned line, unsigned half, uint32_t value)
{
    uint64_t mask = ENTRY_WRITABLE & 0xffffffffull << (32 * half);
    uint64_t entry = (ioapic->entries[line] & ~mask) | ((uint64_t)value << (32 * half) & mask);

    if ((entry & ENTRY_LEVEL) == 0) {
        entry &= ~ENTRY_SENT; /* an edge is sent, and that is all */
    }
    ioapic->entries[line] = entry;
    ioapic_try_level(ioapic, line);
}

static void ioapic_write_window(struct ioapic *ioapic, uint32_t value)
{
    unsigned n = ioapic->select - ENTRIES;

    if (ioapic->select == ID) {
        ioapic->id = value >> 24 & 15;
    } else if (ioapic->select >= ENTRIES && n / 2 < IOAPIC_LINES) {
        ioapic_write_entry(ioapic, n / 2, n & 1, value);
    }
}

static uint64_t ioapic_read(void *device, uint64_t offset, unsigned size)
{
    const struct ioapic *ioapic = device;

    (void)size;
    if (offset == SELECT) {
        return ioapic->select;
    }
    return offset == WINDOW ? ioapic_read_window(ioapic) : 0;
}

static void ioapic_write(void *device, uint64_t offset, unsigned size, uint64_t value)
{
    struct ioapic *ioapic = device;

    (void)size;
    if (offset == SELECT) {
        ioapic->select = (uint8_t)value;
    } else if (offset == WINDOW) {
        ioapic_write_window(ioapic, (uint32_t)value);
    } else if (offset == END) {
        ioapic_end(ioapic, (uint8_t)value);
    }
}

bool ioapic_init(struct ioapic *ioapic, struct bus *bus, msix_send_function *send, void *context)
{
    struct bus_range range = {IOAPIC_BASE, SIZE, ioapic_read, ioapic_write, ioapic};

    *ioapic = (struct ioapic){.send = send, .context = context};
    for (unsigned line = 0; line < IOAPIC_LINES; line++) {
        ioapic->entries[line] = ENTRY_MASKED;
    }
    return bus_insert(bus, &range);
}

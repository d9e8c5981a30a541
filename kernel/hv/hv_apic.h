/* hv_apic.h - a guest's local APIC: its registers, which interrupt is next, and when its timer is
 * due. Knows no processor and no clock: hv_apic_vcpu.h. Intel SDM volume 3, chapter "APIC".
 *
 * It belongs to who owns its processor; only interrupts are posted by anybody, at any time. */
#ifndef HV_HV_APIC_H
#define HV_HV_APIC_H

#include <stdbool.h>
#include <stdint.h>

#include <mach/hv.h>

#include "kern/timer.h"

struct hv_vcpu;

/* The timer counts at 1 GHz, divided. Its interrupts are this far apart at least. */
#define HV_APIC_PERIOD_MIN_NS 100000ul
/* No deadline is further away; the host's clock can tell such times. */
#define HV_APIC_DEADLINE_MAX_NS (1ul << 60)

/* APIC_BASE */
#define HV_APIC_BASE_ADDRESS 0xfee00000ul
#define HV_APIC_BASE_BOOT    (1ul << 8)
#define HV_APIC_BASE_WIDE    (1ul << 10) /* x2APIC */
#define HV_APIC_BASE_ENABLED (1ul << 11)

/* Delivery modes. */
#define HV_APIC_FIXED   0u
#define HV_APIC_LOWEST  1u
#define HV_APIC_NMI     4u
#define HV_APIC_INIT    5u
#define HV_APIC_STARTUP 6u

/* apic->startup: a start-up interrupt's vector and this, or INIT. */
#define HV_APIC_STARTUP_VALID 256u
#define HV_APIC_STARTUP_INIT  512u

/* An interrupt on its way. */
struct hv_apic_message {
    uint32_t destination;
    uint8_t vector;
    uint8_t kind;      /* delivery mode */
    uint8_t shorthand; /* 0: to the destination; 1: self, 2: all, 3: all others */
    bool is_logical;   /* destination */
    bool is_wide;      /* destination: 32 bits, as x2APIC has them; else 8 */
    bool is_level;
};

/* What a write to a register has come to beside the register. */
struct hv_apic_effect {
    bool sends; /* message */
    bool times; /* the timer's deadline has changed */
    bool ends;  /* the handler of a level-triggered interrupt: vector */
    uint8_t vector;
    struct hv_apic_message message;
};

/* Keys: [O] who owns the processor, [a] atomic: written by who owns it, or (irr, tmr, startup) by
 * anybody, [I] immutable */
struct hv_apic {
    struct hv_vcpu *vcpu; /* [I] whose it is, for hv_apic_vcpu.c */
    struct timer timer;   /* of the host, likewise */
    uint32_t id;          /* [I] */
    uint32_t irr[8];      /* [a] requested */
    uint32_t tmr[8];      /* [a] level-triggered, of those in irr and isr */
    uint32_t isr[8];      /* [O] in service */
    uint32_t base;        /* [a] APIC_BASE, without the address */
    uint32_t spurious;    /* [a] SVR */
    uint32_t logical;     /* [a] destination: LDR */
    uint32_t format;      /* [a] DFR */
    uint32_t startup;     /* [a] HV_APIC_STARTUP_*, or 0 */
    uint32_t priority;    /* [O] TPR; its upper half is also the processor's CR8 */
    uint32_t errors;      /* [O] since ESR was written */
    uint32_t status;      /* [O] ESR */
    uint64_t command;     /* [O] ICR */
    uint32_t timer_entry; /* [O] LVT */
    uint32_t line[2];     /* [O] LVT of LINT0, LINT1 */
    uint32_t error_entry; /* [O] LVT */
    uint32_t count;       /* [O] initial */
    uint32_t divide;      /* [O] DCR */
    uint64_t deadline_ns; /* [O] when the timer is due, 0: never */
    uint64_t tsc;         /* [O] that deadline as the guest's time stamp, in that mode */
};

/* Its state after a reset; INIT leaves `base` as it is (is_init). */
void hv_apic_reset(struct hv_apic *apic, bool is_init);
bool hv_apic_is_wide(const struct hv_apic *apic); /* in x2APIC mode */
bool hv_apic_is_enabled(const struct hv_apic *apic);
/* Write APIC_BASE. False: it cannot become that (10.12.5). */
bool hv_apic_write_base(struct hv_apic *apic, uint64_t value);

/* Read a register by its number (offset / 16, or MSR - 0x800). By MSR: false if there is none to
 * read. Else what is not there reads as 0. */
bool hv_apic_read(struct hv_apic *apic, unsigned number, bool by_msr, uint64_t now_ns,
                  uint64_t *value);
/* Write a register. By MSR: false if it does not take that value. */
bool hv_apic_write(struct hv_apic *apic, unsigned number, uint64_t value, bool by_msr,
                   uint64_t now_ns, struct hv_apic_effect *effect);

/* Request an interrupt. By anybody. False: the APIC takes none. */
bool hv_apic_post(struct hv_apic *apic, uint8_t vector, bool is_level);
/* Note a start-up interrupt, if there is none yet. By anybody. */
void hv_apic_start_up(struct hv_apic *apic, uint8_t vector);
/* Is the message for it? By anybody. */
bool hv_apic_matches(const struct hv_apic *apic, const struct hv_apic_message *message);
/* The interrupt that is next, -1: none. It is delivered when its class (vector / 16) is above CR8.
 */
int hv_apic_waiting(const struct hv_apic *apic);
/* It is delivered, and in service from now on. */
void hv_apic_accept(struct hv_apic *apic, uint8_t vector);
/* It was not: it waits again. */
void hv_apic_return(struct hv_apic *apic, uint8_t vector);

/* Is the timer to be compared with the guest's time stamp? */
bool hv_apic_is_tsc(const struct hv_apic *apic);
/* Write the deadline register: the time stamp, and when that is. */
void hv_apic_set_tsc(struct hv_apic *apic, uint64_t tsc, uint64_t deadline_ns);
/* Post what is due. */
void hv_apic_expire(struct hv_apic *apic, uint64_t now_ns);
/* When to look again; 0: need not be. */
uint64_t hv_apic_alarm(const struct hv_apic *apic, uint64_t now_ns);

/* HV_STATE_APIC. False: they cannot be (nothing changed). */
void hv_apic_get_state(struct hv_apic *apic, uint64_t now_ns, uint64_t *words);
bool hv_apic_set_state(struct hv_apic *apic, uint64_t now_ns, const uint64_t *words);

#endif

/* hv_apic.c - registers of a local APIC and the order of its interrupts (Intel SDM volume 3,
 * chapter "APIC"; numbers in parentheses are its sections).
 *
 * What is level-triggered is known by TMR when it is taken, and its end told to the monitor. There
 * are four entries in the local vector table: timer, LINT0, LINT1 and error. */
#include "hv/hv_apic.h"

#include "kern/atomic.h"

#define VERSION 0x00030014u /* an integrated APIC with four entries */

#define READ    1u
#define WRITE   2u
#define NARROW  4u /* not as MSR */
#define MSR     8u /* only as MSR */
#define MASK_32 0xffffffffu

#define SPURIOUS_RESET   0xffu
#define SPURIOUS_ENABLED 0x100u
#define ENTRY_MASKED     0x10000u
#define ENTRY_VECTOR     0xffu
#define VECTOR_MIN       16u
#define FORMAT_REST      0x0fffffffu
#define FORMAT_FLAT      0xfu
#define BROADCAST        0xffu

#define ERROR_SEND_ILLEGAL     0x20u
#define ERROR_RECEIVE_ILLEGAL  0x40u
#define ERROR_ILLEGAL_REGISTER 0x80u

#define MODE(entry)   ((entry) >> 17 & 3)
#define MODE_ONE_SHOT 0u
#define MODE_PERIODIC 1u
#define MODE_DEADLINE 2u

/* ICR (10.6.1, 10.12.9) */
#define COMMAND_KIND(c)      ((c) >> 8 & 7)
#define COMMAND_LOGICAL      0x800u
#define COMMAND_ASSERT       0x4000u
#define COMMAND_LEVEL        0x8000u
#define COMMAND_SHORTHAND(c) ((c) >> 18 & 3)
#define SHORTHAND_SELF       1u

struct hv_apic_register {
    uint8_t access;
    uint32_t mask; /* of what can be written; as MSR nothing else may be */
};

static const struct hv_apic_register hv_apic_registers[HV_APIC_COUNT] = {
    [HV_APIC_ID] = {READ, 0},
    [HV_APIC_VERSION] = {READ, 0},
    [HV_APIC_TPR] = {READ | WRITE, 0xff},
    [HV_APIC_PPR] = {READ, 0},
    [HV_APIC_EOI] = {WRITE, 0},
    [HV_APIC_LDR] = {READ | WRITE | NARROW, 0xff000000u}, /* as MSR: see below */
    [HV_APIC_DFR] = {READ | WRITE | NARROW, 0xf0000000u},
    [HV_APIC_SVR] = {READ | WRITE, 0x3ff},
    [HV_APIC_ISR... HV_APIC_ISR + 7] = {READ, 0},
    [HV_APIC_TMR... HV_APIC_TMR + 7] = {READ, 0},
    [HV_APIC_IRR... HV_APIC_IRR + 7] = {READ, 0},
    [HV_APIC_ESR] = {READ | WRITE, 0},
    [HV_APIC_ICR] = {READ | WRITE, 0x000ccfffu},
    [HV_APIC_ICR_HIGH] = {READ | WRITE | NARROW, 0xff000000u},
    [HV_APIC_LVT_TIMER] = {READ | WRITE, 0x700ff},
    [HV_APIC_LVT_LINT0... HV_APIC_LVT_LINT0 + 1] = {READ | WRITE, 0x1a7ff},
    [HV_APIC_LVT_ERROR] = {READ | WRITE, 0x100ff},
    [HV_APIC_INITIAL] = {READ | WRITE, MASK_32},
    [HV_APIC_CURRENT] = {READ, 0},
    [HV_APIC_DCR] = {READ | WRITE, 0xb},
    [HV_APIC_SELF] = {WRITE | MSR, 0xff},
};

/* --- vectors --- */

static int hv_apic_highest(const uint32_t *bits)
{
    for (int i = 7; i >= 0; i--) {
        uint32_t word = atomic_load(&bits[i]);

        if (word != 0) {
            return i * 32 + 31 - __builtin_clz(word);
        }
    }
    return -1;
}

static bool hv_apic_has(const uint32_t *bits, unsigned vector)
{
    return (atomic_load(&bits[vector / 32]) >> vector % 32 & 1) != 0;
}

static void hv_apic_put(uint32_t *bits, unsigned vector, bool value)
{
    uint32_t bit = 1u << vector % 32;

    if (value) {
        (void)__atomic_fetch_or(&bits[vector / 32], bit, __ATOMIC_SEQ_CST);
    } else {
        (void)__atomic_fetch_and(&bits[vector / 32], ~bit, __ATOMIC_SEQ_CST);
    }
}

/* PPR (10.8.3.1) */
static uint32_t hv_apic_processor_priority(const struct hv_apic *apic)
{
    int vector = hv_apic_highest(apic->isr);
    uint32_t class = vector < 0 ? 0 : (uint32_t)vector & 0xf0;

    return (apic->priority & 0xf0) >= class ? apic->priority : class;
}

int hv_apic_waiting(const struct hv_apic *apic)
{
    int vector = hv_apic_highest(apic->irr);

    return vector >= 0 && vector >> 4 > hv_apic_highest(apic->isr) >> 4 ? vector : -1;
}

void hv_apic_accept(struct hv_apic *apic, uint8_t vector)
{
    hv_apic_put(apic->irr, vector, false);
    hv_apic_put(apic->isr, vector, true);
}

void hv_apic_return(struct hv_apic *apic, uint8_t vector)
{
    hv_apic_put(apic->isr, vector, false);
    hv_apic_put(apic->irr, vector, true);
}

bool hv_apic_post(struct hv_apic *apic, uint8_t vector, bool is_level)
{
    if ((atomic_load(&apic->spurious) & SPURIOUS_ENABLED) == 0 || !hv_apic_is_enabled(apic) ||
        vector < VECTOR_MIN) {
        return false;
    }
    if (hv_apic_has(apic->tmr, vector) != is_level) {
        hv_apic_put(apic->tmr, vector, is_level);
    }
    hv_apic_put(apic->irr, vector, true);
    return true;
}

/* An interrupt of its own, unless it is masked (10.5.1). */
static void hv_apic_post_entry(struct hv_apic *apic, uint32_t entry)
{
    if ((entry & ENTRY_MASKED) == 0) {
        (void)hv_apic_post(apic, (uint8_t)(entry & ENTRY_VECTOR), false);
    }
}

/* (10.5.3) */
static void hv_apic_fail(struct hv_apic *apic, uint32_t error)
{
    apic->errors |= error;
    if ((apic->error_entry & (ENTRY_MASKED | ENTRY_VECTOR)) < VECTOR_MIN) {
        apic->errors |= ERROR_RECEIVE_ILLEGAL;
    }
    hv_apic_post_entry(apic, apic->error_entry);
}

/* --- modes --- */

bool hv_apic_is_enabled(const struct hv_apic *apic)
{
    return (atomic_load(&apic->base) & HV_APIC_BASE_ENABLED) != 0;
}

bool hv_apic_is_wide(const struct hv_apic *apic)
{
    return (atomic_load(&apic->base) & HV_APIC_BASE_WIDE) != 0;
}

/* (10.4.7) */
void hv_apic_reset(struct hv_apic *apic, bool is_init)
{
    if (!is_init) {
        atomic_store(&apic->base,
                     (uint32_t)(HV_APIC_BASE_ENABLED | (apic->id == 0 ? HV_APIC_BASE_BOOT : 0)));
    }
    atomic_store(&apic->spurious, SPURIOUS_RESET);
    for (unsigned i = 0; i < 8; i++) {
        atomic_store(&apic->irr[i], 0);
        atomic_store(&apic->tmr[i], 0);
        atomic_store(&apic->isr[i], 0);
    }
    atomic_store(&apic->logical, 0);
    atomic_store(&apic->format, MASK_32);
    apic->priority = 0;
    apic->errors = 0;
    apic->status = 0;
    apic->command = 0;
    apic->timer_entry = ENTRY_MASKED;
    apic->line[0] = ENTRY_MASKED;
    apic->line[1] = ENTRY_MASKED;
    apic->error_entry = ENTRY_MASKED;
    apic->count = 0;
    apic->divide = 0;
    apic->deadline_ns = 0;
    apic->tsc = 0;
}

bool hv_apic_write_base(struct hv_apic *apic, uint64_t value)
{
    const uint64_t mode = HV_APIC_BASE_ENABLED | HV_APIC_BASE_WIDE;
    uint64_t old = apic->base & mode;
    uint64_t new = value &mode;

    /* The monitor finds the registers at the address they have after a reset, and nowhere else. */
    if ((value & ~(mode | HV_APIC_BASE_BOOT)) != HV_APIC_BASE_ADDRESS || new == HV_APIC_BASE_WIDE ||
        (old == mode && new == HV_APIC_BASE_ENABLED) || (old == 0 && new == mode)) {
        return false;
    }
    if (new == 0 && old != 0) {
        hv_apic_reset(apic, true);
    }
    atomic_store(&apic->base, (uint32_t)(value & (mode | HV_APIC_BASE_BOOT)));
    return true;
}

/* In x2APIC mode it goes by the ID (10.12.10.2). */
static uint32_t hv_apic_logical(const struct hv_apic *apic)
{
    return hv_apic_is_wide(apic) ? (apic->id >> 4) << 16 | 1u << (apic->id & 15)
                                 : atomic_load(&apic->logical);
}

/* (10.6.2.2) */
static bool hv_apic_matches_logical(const struct hv_apic *apic, uint32_t destination)
{
    uint32_t logical = hv_apic_logical(apic);

    if (hv_apic_is_wide(apic)) {
        return logical >> 16 == destination >> 16 && (logical & destination & 0xffff) != 0;
    }
    logical >>= 24;
    if (atomic_load(&apic->format) >> 28 == FORMAT_FLAT) {
        return (logical & destination) != 0;
    }
    return logical >> 4 == destination >> 4 && (logical & destination & 0xf) != 0;
}

bool hv_apic_matches(const struct hv_apic *apic, const struct hv_apic_message *message)
{
    if (!hv_apic_is_enabled(apic)) {
        return false;
    }
    if (message->destination == (message->is_wide ? MASK_32 : BROADCAST)) {
        return true;
    }
    return message->is_logical ? hv_apic_matches_logical(apic, message->destination)
                               : apic->id == message->destination;
}

void hv_apic_start_up(struct hv_apic *apic, uint8_t vector)
{
    uint32_t old;

    do {
        old = atomic_load(&apic->startup);
    } while ((old & HV_APIC_STARTUP_VALID) == 0 &&
             !atomic_cas(&apic->startup, old, old | HV_APIC_STARTUP_VALID | vector));
}

/* --- timer (10.5.4) --- */

static unsigned hv_apic_shift(const struct hv_apic *apic)
{
    return ((apic->divide & 3) + (apic->divide >> 1 & 4) + 1) & 7;
}

static uint32_t hv_apic_current(const struct hv_apic *apic, uint64_t now_ns)
{
    if (hv_apic_is_tsc(apic) || apic->deadline_ns <= now_ns) {
        return 0;
    }
    return (uint32_t)((apic->deadline_ns - now_ns) >> hv_apic_shift(apic));
}

/* Count down from there. */
static void hv_apic_start(struct hv_apic *apic, uint32_t count, uint64_t now_ns)
{
    apic->deadline_ns = count != 0 && MODE(apic->timer_entry) <= MODE_PERIODIC
                            ? now_ns + ((uint64_t)count << hv_apic_shift(apic))
                            : 0;
}

bool hv_apic_is_tsc(const struct hv_apic *apic)
{
    return MODE(apic->timer_entry) == MODE_DEADLINE;
}

void hv_apic_set_tsc(struct hv_apic *apic, uint64_t tsc, uint64_t deadline_ns)
{
    if (hv_apic_is_tsc(apic)) {
        apic->tsc = tsc;
        apic->deadline_ns = tsc != 0 ? deadline_ns : 0;
    }
}

void hv_apic_expire(struct hv_apic *apic, uint64_t now_ns)
{
    uint64_t period = (uint64_t)apic->count << hv_apic_shift(apic);
    uint64_t late = now_ns - apic->deadline_ns;

    if (apic->deadline_ns == 0 || apic->deadline_ns > now_ns) {
        return;
    }
    if (MODE(apic->timer_entry) == MODE_PERIODIC && period != 0) {
        apic->deadline_ns = now_ns + period - late % period; /* what was missed is one interrupt */
    } else {
        apic->deadline_ns = 0;
        apic->tsc = 0;
    }
    if ((apic->timer_entry & (ENTRY_MASKED | ENTRY_VECTOR)) < VECTOR_MIN) {
        hv_apic_fail(apic, ERROR_RECEIVE_ILLEGAL);
    }
    hv_apic_post_entry(apic, apic->timer_entry);
}

uint64_t hv_apic_alarm(const struct hv_apic *apic, uint64_t now_ns)
{
    uint64_t soon = now_ns + HV_APIC_PERIOD_MIN_NS;

    return apic->deadline_ns != 0 && MODE(apic->timer_entry) == MODE_PERIODIC &&
                   apic->deadline_ns < soon
               ? soon
               : apic->deadline_ns;
}

/* --- reads --- */

static uint64_t hv_apic_get(struct hv_apic *apic, unsigned number, bool by_msr, uint64_t now_ns)
{
    switch (number) {
    case HV_APIC_ID:
        return hv_apic_is_wide(apic) ? apic->id : apic->id << 24;
    case HV_APIC_VERSION:
        return VERSION;
    case HV_APIC_TPR:
        return apic->priority;
    case HV_APIC_PPR:
        return hv_apic_processor_priority(apic);
    case HV_APIC_LDR:
        return hv_apic_logical(apic);
    case HV_APIC_DFR:
        return apic->format;
    case HV_APIC_SVR:
        return apic->spurious;
    case HV_APIC_ISR ... HV_APIC_ISR + 7:
        return apic->isr[number - HV_APIC_ISR];
    case HV_APIC_TMR ... HV_APIC_TMR + 7:
        return atomic_load(&apic->tmr[number - HV_APIC_TMR]);
    case HV_APIC_IRR ... HV_APIC_IRR + 7:
        return atomic_load(&apic->irr[number - HV_APIC_IRR]);
    case HV_APIC_ESR:
        return apic->status;
    case HV_APIC_ICR:
        return by_msr ? apic->command : (uint32_t)apic->command;
    case HV_APIC_ICR_HIGH:
        return apic->command >> 32;
    case HV_APIC_LVT_TIMER:
        return apic->timer_entry;
    case HV_APIC_LVT_LINT0 ... HV_APIC_LVT_LINT0 + 1:
        return apic->line[number - HV_APIC_LVT_LINT0];
    case HV_APIC_LVT_ERROR:
        return apic->error_entry;
    case HV_APIC_INITIAL:
        return apic->count;
    case HV_APIC_CURRENT:
        return hv_apic_current(apic, now_ns);
    case HV_APIC_DCR:
        return apic->divide;
    default:
        return 0;
    }
}

/* Is there such a register, to be read or written? */
static bool hv_apic_is_there(unsigned number, bool by_msr, unsigned access)
{
    unsigned has = number < HV_APIC_COUNT ? hv_apic_registers[number].access : 0;

    if (by_msr && number == HV_APIC_LDR) {
        return access == READ;
    }
    return (has & access) != 0 && (has & (by_msr ? NARROW : MSR)) == 0;
}

bool hv_apic_read(struct hv_apic *apic, unsigned number, bool by_msr, uint64_t now_ns,
                  uint64_t *value)
{
    if (hv_apic_is_there(number, by_msr, READ)) {
        *value = hv_apic_get(apic, number, by_msr, now_ns);
        return true;
    }
    *value = 0;
    if (!by_msr && !hv_apic_is_there(number, false, WRITE)) {
        hv_apic_fail(apic, ERROR_ILLEGAL_REGISTER);
    }
    return !by_msr;
}

/* --- writes --- */

/* (10.6.1) */
static void hv_apic_send(struct hv_apic *apic, struct hv_apic_effect *effect)
{
    uint32_t command = (uint32_t)apic->command;
    bool is_wide = hv_apic_is_wide(apic);
    struct hv_apic_message message = {
        .destination = (uint32_t)(is_wide ? apic->command >> 32 : apic->command >> 56),
        .vector = (uint8_t)command,
        .kind = (uint8_t)COMMAND_KIND(command),
        .shorthand = (uint8_t)COMMAND_SHORTHAND(command),
        .is_logical = (command & COMMAND_LOGICAL) != 0,
        .is_wide = is_wide,
    };

    if (message.kind <= HV_APIC_LOWEST && message.vector < VECTOR_MIN) {
        hv_apic_fail(apic, ERROR_SEND_ILLEGAL);
        return;
    }
    if (message.kind == HV_APIC_INIT &&
        (command & (COMMAND_LEVEL | COMMAND_ASSERT)) == COMMAND_LEVEL) {
        return; /* its end, which only the oldest processors had */
    }
    effect->sends = true;
    effect->message = message;
}

/* (10.8.5) */
static void hv_apic_end(struct hv_apic *apic, struct hv_apic_effect *effect)
{
    int vector = hv_apic_highest(apic->isr);

    if (vector >= 0) {
        hv_apic_put(apic->isr, (unsigned)vector, false);
        effect->ends = hv_apic_has(apic->tmr, (unsigned)vector);
        effect->vector = (uint8_t)vector;
    }
}

static void hv_apic_set_timer_entry(struct hv_apic *apic, uint32_t value,
                                    struct hv_apic_effect *effect)
{
    if (MODE(value) != MODE(apic->timer_entry) &&
        (MODE(value) > MODE_PERIODIC || MODE(apic->timer_entry) > MODE_PERIODIC)) {
        apic->deadline_ns = 0;
        apic->tsc = 0;
    }
    apic->timer_entry = value;
    effect->times = true;
}

static void hv_apic_set_divide(struct hv_apic *apic, uint32_t value, uint64_t now_ns)
{
    uint32_t left = hv_apic_current(apic, now_ns);

    apic->divide = value;
    if (left != 0) {
        hv_apic_start(apic, left, now_ns);
    }
}

/* Disabled by software, it has its local entries masked (10.4.7.2). */
static void hv_apic_set_spurious(struct hv_apic *apic, uint32_t value)
{
    atomic_store(&apic->spurious, value);
    if ((value & SPURIOUS_ENABLED) == 0) {
        apic->timer_entry |= ENTRY_MASKED;
        apic->line[0] |= ENTRY_MASKED;
        apic->line[1] |= ENTRY_MASKED;
        apic->error_entry |= ENTRY_MASKED;
    }
}

/* Of an entry of the local vector table: what it becomes. */
static uint32_t hv_apic_entry(const struct hv_apic *apic, uint32_t value)
{
    return (apic->spurious & SPURIOUS_ENABLED) == 0 ? value | ENTRY_MASKED : value;
}

static void hv_apic_put_self(const struct hv_apic *apic, uint32_t vector,
                             struct hv_apic_effect *effect)
{
    effect->sends = true;
    effect->message = (struct hv_apic_message){
        .vector = (uint8_t)vector, .kind = HV_APIC_FIXED, .shorthand = SHORTHAND_SELF};
}

/* What can be written, to what takes it. */
static void hv_apic_set(struct hv_apic *apic, unsigned number, uint32_t value, uint64_t now_ns,
                        struct hv_apic_effect *effect)
{
    switch (number) {
    case HV_APIC_TPR:
        apic->priority = value;
        break;
    case HV_APIC_EOI:
        hv_apic_end(apic, effect);
        break;
    case HV_APIC_LDR:
        atomic_store(&apic->logical, value);
        break;
    case HV_APIC_DFR:
        atomic_store(&apic->format, value | FORMAT_REST);
        break;
    case HV_APIC_SVR:
        hv_apic_set_spurious(apic, value);
        break;
    case HV_APIC_ESR:
        apic->status = apic->errors;
        apic->errors = 0;
        break;
    case HV_APIC_ICR_HIGH:
        apic->command = (uint32_t)apic->command | (uint64_t)value << 32;
        break;
    case HV_APIC_LVT_TIMER:
        hv_apic_set_timer_entry(apic, hv_apic_entry(apic, value), effect);
        break;
    case HV_APIC_LVT_LINT0 ... HV_APIC_LVT_LINT0 + 1:
        apic->line[number - HV_APIC_LVT_LINT0] = hv_apic_entry(apic, value);
        break;
    case HV_APIC_LVT_ERROR:
        apic->error_entry = hv_apic_entry(apic, value);
        break;
    case HV_APIC_INITIAL:
        apic->count = hv_apic_is_tsc(apic) ? apic->count : value;
        if (!hv_apic_is_tsc(apic)) {
            hv_apic_start(apic, value, now_ns);
        }
        effect->times = true;
        break;
    case HV_APIC_DCR:
        hv_apic_set_divide(apic, value, now_ns);
        effect->times = true;
        break;
    default:
        break;
    }
}

/* As MSR, no bit may be set that nothing is meant by (10.12.1.3). */
static bool hv_apic_is_good(unsigned number, uint64_t value)
{
    uint32_t mask = hv_apic_registers[number].mask;

    return ((number == HV_APIC_ICR ? (uint32_t)value : value) & ~(uint64_t)mask) == 0;
}

bool hv_apic_write(struct hv_apic *apic, unsigned number, uint64_t value, bool by_msr,
                   uint64_t now_ns, struct hv_apic_effect *effect)
{
    *effect = (struct hv_apic_effect){0};
    if (!hv_apic_is_there(number, by_msr, WRITE)) {
        if (!by_msr && !hv_apic_is_there(number, false, READ)) {
            hv_apic_fail(apic, ERROR_ILLEGAL_REGISTER);
        }
        return !by_msr;
    }
    if (by_msr && !hv_apic_is_good(number, value)) {
        return false;
    }
    if (number == HV_APIC_SELF && value < VECTOR_MIN) {
        hv_apic_fail(apic, ERROR_SEND_ILLEGAL);
    } else if (number == HV_APIC_SELF) {
        hv_apic_put_self(apic, (uint32_t)value, effect);
    } else if (number == HV_APIC_ICR) {
        apic->command = (value & hv_apic_registers[number].mask) |
                        ((by_msr ? value : apic->command) & ~(uint64_t)MASK_32);
        hv_apic_send(apic, effect);
    } else {
        hv_apic_set(apic, number, (uint32_t)value & hv_apic_registers[number].mask, now_ns, effect);
    }
    return true;
}

/* --- state --- */

void hv_apic_get_state(struct hv_apic *apic, uint64_t now_ns, uint64_t *words)
{
    for (unsigned i = 0; i < HV_APIC_COUNT; i++) {
        words[i] = hv_apic_get(apic, i, false, now_ns);
    }
    if (words[HV_APIC_CURRENT] == 0 && apic->deadline_ns != 0 && !hv_apic_is_tsc(apic)) {
        words[HV_APIC_CURRENT] = 1; /* it has not ended */
    }
    words[HV_APIC_BASE] = apic->base | HV_APIC_BASE_ADDRESS;
    words[HV_APIC_DEADLINE] = apic->tsc;
    words[HV_APIC_PENDING_STARTUP] = atomic_load(&apic->startup);
    words[HV_APIC_ERRORS] = apic->errors;
}

static bool hv_apic_checks_vectors(const uint64_t *words, unsigned first)
{
    for (unsigned i = 0; i < 8; i++) {
        if (words[first + i] > MASK_32 || (i == 0 && (words[first] & 0xffff) != 0)) {
            return false;
        }
    }
    return true;
}

/* Each word one that could have been read. */
static bool hv_apic_checks(const struct hv_apic *apic, const uint64_t *words)
{
    const uint64_t mode = HV_APIC_BASE_ENABLED | HV_APIC_BASE_WIDE;
    uint64_t startup = words[HV_APIC_PENDING_STARTUP];

    if ((words[HV_APIC_BASE] & ~(mode | HV_APIC_BASE_BOOT)) != HV_APIC_BASE_ADDRESS ||
        (words[HV_APIC_BASE] & mode) == HV_APIC_BASE_WIDE ||
        (words[HV_APIC_ID] != apic->id && words[HV_APIC_ID] != apic->id << 24) ||
        words[HV_APIC_ERRORS] > 0xff || words[HV_APIC_ESR] > 0xff ||
        startup >= 2 * HV_APIC_STARTUP_INIT ||
        ((startup & HV_APIC_STARTUP_VALID) == 0 && (startup & 0xff) != 0)) {
        return false;
    }
    for (unsigned i = HV_APIC_TPR; i < HV_APIC_COUNT; i++) {
        unsigned access = hv_apic_registers[i].access;

        if ((access & READ) != 0 && (access & WRITE) != 0 && i != HV_APIC_ESR && i != HV_APIC_LDR &&
            i != HV_APIC_DFR && i != HV_APIC_ICR_HIGH && !hv_apic_is_good(i, words[i])) {
            return false;
        }
    }
    return words[HV_APIC_LDR] <= MASK_32 && words[HV_APIC_ICR] <= MASK_32 &&
           words[HV_APIC_ICR_HIGH] <= MASK_32 && words[HV_APIC_CURRENT] <= words[HV_APIC_INITIAL] &&
           hv_apic_checks_vectors(words, HV_APIC_ISR) &&
           hv_apic_checks_vectors(words, HV_APIC_TMR) && hv_apic_checks_vectors(words, HV_APIC_IRR);
}

bool hv_apic_set_state(struct hv_apic *apic, uint64_t now_ns, const uint64_t *words)
{
    if (!hv_apic_checks(apic, words)) {
        return false;
    }
    atomic_store(&apic->base, (uint32_t)(words[HV_APIC_BASE] & ~HV_APIC_BASE_ADDRESS));
    for (unsigned i = 0; i < 8; i++) {
        atomic_store(&apic->isr[i], (uint32_t)words[HV_APIC_ISR + i]);
        atomic_store(&apic->tmr[i], (uint32_t)words[HV_APIC_TMR + i]);
        atomic_store(&apic->irr[i], (uint32_t)words[HV_APIC_IRR + i]);
    }
    atomic_store(&apic->spurious, (uint32_t)words[HV_APIC_SVR]);
    atomic_store(&apic->logical, (uint32_t)words[HV_APIC_LDR] & 0xff000000u);
    atomic_store(&apic->format, (uint32_t)words[HV_APIC_DFR] | FORMAT_REST);
    atomic_store(&apic->startup, (uint32_t)words[HV_APIC_PENDING_STARTUP]);
    apic->priority = (uint32_t)words[HV_APIC_TPR];
    apic->errors = (uint32_t)words[HV_APIC_ERRORS];
    apic->status = (uint32_t)words[HV_APIC_ESR];
    apic->command = words[HV_APIC_ICR] | words[HV_APIC_ICR_HIGH] << 32;
    apic->timer_entry = hv_apic_entry(apic, (uint32_t)words[HV_APIC_LVT_TIMER]);
    apic->line[0] = hv_apic_entry(apic, (uint32_t)words[HV_APIC_LVT_LINT0]);
    apic->line[1] = hv_apic_entry(apic, (uint32_t)words[HV_APIC_LVT_LINT0 + 1]);
    apic->error_entry = hv_apic_entry(apic, (uint32_t)words[HV_APIC_LVT_ERROR]);
    apic->count = (uint32_t)words[HV_APIC_INITIAL];
    apic->divide = (uint32_t)words[HV_APIC_DCR];
    apic->tsc = 0;
    hv_apic_start(apic, (uint32_t)words[HV_APIC_CURRENT], now_ns);
    return true;
}

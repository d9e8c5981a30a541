/* emulate_native_test.c - instructions done by the monitor, and by the processor this runs on: the
 * same registers, the same flags, the same memory.
 *
 * usage: emulate_native_test [COUNT [SEED]]
 *
 * Instructions are made at random from the opcodes of decode.c, with rSI or rDI as their address;
 * the monitor does them once on memory and once on a device that is as good as memory. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "emulate.h"
#include "emulate_flags.h"

#define COUNT_DEFAULT 200000u
#define AREA          512u    /* bytes that instructions reach */
#define GUEST_AREA    0x7000u /* where the guest has them */
#define GUEST_CODE    0x100u
#define FLAGS_COMPARED                                                                             \
    (FLAG_CARRY | FLAG_PARITY | FLAG_ADJUST | FLAG_ZERO | FLAG_SIGN | FLAG_OVERFLOW)

/* In the order the code below knows. */
struct native {
    uint64_t rax, rcx, rdx, rbx, rsi, rdi, r8, flags;
    const void *code;
};

/* What a guest's address is less ours, for registers that can have either. */
struct side {
    uint64_t registers[HV_GENERAL_COUNT];
    uint8_t area[AREA];
};

static uint64_t state = 0x1234567887654321u;
static uint8_t *native_code;
static uint8_t native_area[AREA] __attribute__((aligned(4096)));

static uint32_t random32(void)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return (uint32_t)(state >> 32);
}

/* Do it here. */
static void run_native(struct native *n)
{
    __asm__ volatile("sub $128, %%rsp\n" /* the red zone */
                     "push %%rbx\n"
                     "push %%rbp\n"
                     "mov %0, %%r15\n"
                     "mov 0(%%r15), %%rax\n"
                     "mov 8(%%r15), %%rcx\n"
                     "mov 16(%%r15), %%rdx\n"
                     "mov 24(%%r15), %%rbx\n"
                     "mov 32(%%r15), %%rsi\n"
                     "mov 40(%%r15), %%rdi\n"
                     "mov 48(%%r15), %%r8\n"
                     "pushq 56(%%r15)\n"
                     "popfq\n"
                     "call *64(%%r15)\n"
                     "pushfq\n"
                     "popq 56(%%r15)\n"
                     "cld\n"
                     "mov %%rax, 0(%%r15)\n"
                     "mov %%rcx, 8(%%r15)\n"
                     "mov %%rdx, 16(%%r15)\n"
                     "mov %%rbx, 24(%%r15)\n"
                     "mov %%rsi, 32(%%r15)\n"
                     "mov %%rdi, 40(%%r15)\n"
                     "mov %%r8, 48(%%r15)\n"
                     "pop %%rbp\n"
                     "pop %%rbx\n"
                     "add $128, %%rsp\n"
                     :
                     : "r"(n)
                     : "rax", "rcx", "rdx", "rsi", "rdi", "r8", "r15", "memory", "cc");
}

/* --- an instruction --- */

static const uint8_t opcodes[] = {
    0x00, 0x01, 0x02, 0x03, 0x08, 0x09, 0x0a, 0x0b, 0x10, 0x11, 0x12, 0x13, 0x18, 0x19, 0x1a,
    0x1b, 0x20, 0x21, 0x22, 0x23, 0x28, 0x29, 0x2a, 0x2b, 0x30, 0x31, 0x32, 0x33, 0x38, 0x39,
    0x3a, 0x3b, 0x63, 0x80, 0x81, 0x83, 0x84, 0x85, 0x86, 0x87, 0x88, 0x89, 0x8a, 0x8b, 0xa4,
    0xa5, 0xa6, 0xa7, 0xaa, 0xab, 0xac, 0xad, 0xae, 0xaf, 0xc6, 0xc7, 0xf6, 0xf7, 0xfe, 0xff,
};
static const uint8_t second[] = {0xa3, 0xab, 0xb0, 0xb1, 0xb3, 0xb6, 0xb7,
                                 0xba, 0xbb, 0xbe, 0xbf, 0xc0, 0xc1, 0xc3};

/* ModRM and what follows: [rSI + disp8], and a register that is loaded: rAX to rBX, AH to BH, r8.
 */
static size_t make_operands(uint8_t *bytes, uint8_t rex, bool is_group)
{
    unsigned reg = is_group ? random32() % 8 : random32() % 4;

    if (!is_group && rex == 0 && random32() % 4 == 0) {
        reg += 4; /* AH to BH where the operation is of a byte */
    }
    if ((rex & 4) != 0 && !is_group) {
        reg = 0; /* r8 */
    }
    bytes[0] = (uint8_t)(0x40 | reg << 3 | HV_RSI);
    bytes[1] = (uint8_t)(random32() & 63);
    for (unsigned i = 2; i < 6; i++) {
        bytes[i] = (uint8_t)random32();
    }
    return 6;
}

static bool is_group(uint8_t first_byte, uint8_t next)
{
    return (first_byte >= 0x80 && first_byte <= 0x83) || first_byte == 0xc6 || first_byte == 0xc7 ||
           first_byte == 0xf6 || first_byte == 0xf7 || first_byte >= 0xfe ||
           (first_byte == 0x0f && next == 0xba);
}

/* Fills in 15 bytes. */
static void make(uint8_t *bytes)
{
    uint8_t rex = random32() % 2 == 0 ? (uint8_t)(0x40 | ((random32() & 3) << 2)) : 0;
    uint8_t opcode[2] = {0, 0};
    size_t n = 0;

    memset(bytes, 0x90, DECODE_LENGTH_MAX);
    if (random32() % 4 == 0) {
        bytes[n++] = 0x66;
    }
    if (random32() % 4 == 0) {
        bytes[n++] = random32() % 2 == 0 ? 0xf3 : 0xf2;
    }
    if (random32() % 8 == 0) {
        bytes[n++] = 0xf0;
    }
    if (rex != 0) {
        bytes[n++] = rex;
    }
    if (random32() % 4 == 0) {
        opcode[0] = 0x0f;
        opcode[1] = second[random32() % sizeof(second)];
        bytes[n++] = opcode[0];
        bytes[n++] = opcode[1];
    } else {
        opcode[0] = opcodes[random32() % sizeof(opcodes)];
        bytes[n++] = opcode[0];
    }
    (void)make_operands(bytes + n, rex, is_group(opcode[0], opcode[1]));
}

/* Would it stay in the area, and touch only registers that are loaded? */
static bool is_suitable(const struct decode_instruction *i)
{
    if (!i->is_string && i->base != HV_RSI) {
        return false;
    }
    if (i->source == DECODE_REGISTER && i->reg > HV_RBX && i->reg != HV_R8) {
        return false;
    }
    return i->operation != DECODE_INS && i->operation != DECODE_OUTS;
}

/* --- the guest --- */

static uint64_t device_read(void *device, uint64_t offset, unsigned size)
{
    uint64_t value = 0;

    memcpy(&value, (uint8_t *)device + offset, size);
    return value;
}

static void device_write(void *device, uint64_t offset, unsigned size, uint64_t value)
{
    memcpy((uint8_t *)device + offset, &value, size);
}

/* Do it there. False: the monitor cannot. */
static bool run_guest(struct side *s, const struct decode_instruction *i, bool is_device)
{
    static uint8_t ram[0x8000];
    struct memory memory;
    struct bus bus;
    struct bus_range range = {GUEST_AREA, AREA, device_read, device_write, s->area};
    struct emulate e = {.memory = &memory, .bus = &bus, .mode = DECODE_LONG};
    enum emulate_result result;

    memory_init(&memory, ram, is_device ? 4096 : sizeof(ram));
    bus_init(&bus);
    if (!bus_insert(&bus, &range)) {
        abort();
    }
    memcpy(ram + GUEST_AREA, s->area, AREA);
    memcpy(e.registers, s->registers, sizeof(e.registers));
    result = emulate(&e, i);
    memcpy(s->registers, e.registers, sizeof(e.registers));
    if (!is_device) {
        memcpy(s->area, ram + GUEST_AREA, AREA);
    }
    return result == EMULATE_DONE;
}

/* --- the comparison --- */

static void fill(struct side *s, struct native *n, const struct decode_instruction *i)
{
    uint64_t interesting[] = {0, 1, UINT64_MAX, 0x8000000000000000u, 0x7fffffffu, 0x80000080u};

    memset(s, 0, sizeof(*s));
    for (unsigned r = 0; r < 16; r++) {
        s->registers[r] = random32() % 3 == 0 ? interesting[random32() % 6]
                                              : (uint64_t)random32() << 32 | random32();
    }
    if (i->is_string) {
        s->registers[HV_RCX] = random32() % 12;
    } else if (i->operation >= DECODE_BT && i->operation <= DECODE_BTC) {
        s->registers[i->reg] = (uint64_t)((int64_t)(random32() % 1024) - 512);
    }
    s->registers[HV_RSI] = GUEST_AREA + 160 + random32() % 32;
    s->registers[HV_RDI] = GUEST_AREA + 256 + random32() % 32;
    s->registers[HV_RIP] = GUEST_CODE;
    s->registers[HV_RFLAGS] =
        2 | (random32() & (FLAGS_COMPARED | (i->is_string ? FLAG_DIRECTION : 0)));
    for (unsigned b = 0; b < AREA; b++) {
        s->area[b] = (uint8_t)random32();
    }
    if (random32() % 4 == 0 && (i->is_string || i->operation == DECODE_CMPXCHG)) {
        /* sometimes what is compared is the same */
        memset(s->area, (int)(s->registers[HV_RAX] & 0xff), AREA);
        s->registers[HV_RAX] = 0x0101010101010101u * (s->registers[HV_RAX] & 0xff);
    }
    *n = (struct native){s->registers[HV_RAX],
                         s->registers[HV_RCX],
                         s->registers[HV_RDX],
                         s->registers[HV_RBX],
                         s->registers[HV_RSI] - GUEST_AREA + (uintptr_t)native_area,
                         s->registers[HV_RDI] - GUEST_AREA + (uintptr_t)native_area,
                         s->registers[HV_R8],
                         s->registers[HV_RFLAGS],
                         native_code};
    memcpy(native_area, s->area, AREA);
}

static bool is_same(const struct side *s, const struct native *n, unsigned length)
{
    const uint64_t *r = s->registers;
    uint64_t offset = (uintptr_t)native_area - GUEST_AREA;

    return r[HV_RAX] == n->rax && r[HV_RCX] == n->rcx && r[HV_RDX] == n->rdx &&
           r[HV_RBX] == n->rbx && r[HV_R8] == n->r8 && r[HV_RSI] + offset == n->rsi &&
           r[HV_RDI] + offset == n->rdi && r[HV_RIP] == GUEST_CODE + length &&
           ((r[HV_RFLAGS] ^ n->flags) & FLAGS_COMPARED) == 0 &&
           memcmp(s->area, native_area, AREA) == 0;
}

/* Returns: 0, the same; 1, not; -1, not to be compared. */
static int compare(const uint8_t *bytes, bool is_device)
{
    struct decode_instruction i;
    struct native n;
    struct side s;
    uint64_t undefined = 0;

    if (decode(bytes, DECODE_LENGTH_MAX, DECODE_LONG, &i) != DECODE_DONE || !is_suitable(&i)) {
        return -1;
    }
    fill(&s, &n, &i);
    memcpy(native_code, bytes, i.length);
    native_code[i.length] = 0xc3; /* RET */
    if (!run_guest(&s, &i, is_device)) {
        return i.is_locked && !is_device ? -1 : 1;
    }
    run_native(&n);
    if (i.operation >= DECODE_BT && i.operation <= DECODE_BTC) { /* flags but the carry */
        undefined = FLAGS_COMPARED & ~FLAG_CARRY;
    } else if (i.operation == DECODE_AND || i.operation == DECODE_OR || i.operation == DECODE_XOR ||
               i.operation == DECODE_TEST) {
        undefined = FLAG_ADJUST;
    }
    n.flags = (n.flags & ~undefined) | (s.registers[HV_RFLAGS] & undefined);
    return is_same(&s, &n, i.length) ? 0 : 1;
}

int main(int argc, char **argv)
{
    unsigned long count = argc > 1 ? strtoul(argv[1], NULL, 0) : COUNT_DEFAULT;
    unsigned long compared = 0;
    unsigned long failures = 0;
    uint8_t bytes[DECODE_LENGTH_MAX + 8];

    if (argc > 2) {
        state ^= strtoul(argv[2], NULL, 0) * 0x2545f4914f6cdd1du;
    }
    native_code =
        mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (native_code == MAP_FAILED) {
        return 1;
    }
    for (unsigned long n = 0; n < count; n++) {
        int result;

        make(bytes);
        result = compare(bytes, n % 2 == 0);
        compared += result >= 0;
        if (result > 0 && failures++ < 20) {
            printf("not as the processor does it, %s:", n % 2 == 0 ? "device" : "memory");
            for (unsigned b = 0; b < DECODE_LENGTH_MAX; b++) {
                printf(" %02x", bytes[b]);
            }
            printf("\n");
        }
    }
    printf("%lu instructions compared, %lu differ\n", compared, failures);
    if (compared < count / 4) {
        printf("too few to tell\n");
        failures += 1;
    }
    printf("%d passed, %d failed\n", failures == 0, failures != 0);
    return failures != 0;
}

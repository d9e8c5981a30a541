/* load_test.c - images: those that are right begin where they should, and those that are not are
 * refused with a sentence. Whatever is in one, nothing outside of the guest's memory is written
 * (the sanitizers watch). */
#include "vmm_test.h"

#include <elf.h>

#include "load.h"

#define MEMORY_SIZE 0x800000u
#define IMAGE_MAX   0x10000u
#define ROUNDS      30000u

static uint8_t *bytes; /* the guest's, in a block of its own */
static struct memory memory;
static uint8_t image[IMAGE_MAX];
static uint64_t image_size;
static struct load_start start;
static struct load_request request;

static int set_up(void **state)
{
    (void)state;
    bytes = calloc(1, MEMORY_SIZE);
    memory_init(&memory, bytes, MEMORY_SIZE);
    memset(image, 0, sizeof(image));
    request = (struct load_request){.cmdline = "a line"};
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    free(bytes);
    return 0;
}

/* Load what is in `image`, from a block that ends where it ends. */
static const char *load(void)
{
    uint8_t *copy = malloc(image_size != 0 ? image_size : 1);
    const char *why;

    memcpy(copy, image, image_size);
    request.image = (struct load_file){copy, image_size, ""};
    why = load_image(&request, &memory, &start);
    free(copy);
    return why;
}

static void expect_why(const char *part)
{
    const char *why = load();

    assert_non_null(why);
    if (strstr(why, part) == NULL) {
        fail_msg("`%s` is not in `%s`", part, why);
    }
}

static uint32_t guest32(uint64_t address)
{
    uint32_t value = 0;

    assert_true(memory_read(&memory, address, &value, sizeof(value)));
    return value;
}

static void put32(unsigned offset, uint32_t value)
{
    memcpy(image + offset, &value, sizeof(value));
}

/* --- flat --- */

static void code_alone_is_at_one_mebibyte(void **state)
{
    (void)state;
    memset(image, 0x90, 100);
    image_size = 100;
    assert_null(load());
    assert_int_equal(start.mode, LOAD_PROTECTED);
    assert_int_equal(start.registers[HV_RIP], 0x100000);
    assert_int_equal(bytes[0x100063], 0x90);
    assert_int_equal(bytes[0x100064], 0);
    image_size = 0;
    expect_why("empty");
    memory_init(&memory, bytes, 0x1ff000);
    image_size = 100;
    expect_why("2 MiB");
}

static void a_sector_is_in_real_mode(void **state)
{
    (void)state;
    image_size = 512;
    image[510] = 0x55;
    image[511] = 0xaa;
    assert_null(load());
    assert_int_equal(start.mode, LOAD_REAL);
    assert_int_equal(start.registers[HV_RIP], 0x7c00);
}

/* --- ELF and Multiboot --- */

#define SEGMENT 0x200u /* where it is in the file */

static Elf32_Ehdr *elf_head(void)
{
    return (Elf32_Ehdr *)image;
}

static Elf32_Phdr *elf_segment(unsigned index)
{
    return (Elf32_Phdr *)(image + sizeof(Elf32_Ehdr)) + index;
}

/* Two segments, and a Multiboot header in the first. */
static void make_elf(void)
{
    *elf_head() = (Elf32_Ehdr){
        .e_ident = {0x7f, 'E', 'L', 'F', ELFCLASS32, ELFDATA2LSB, 1},
        .e_type = ET_EXEC,
        .e_machine = EM_386,
        .e_version = 1,
        .e_entry = 0xc0200010,
        .e_phoff = sizeof(Elf32_Ehdr),
        .e_phentsize = sizeof(Elf32_Phdr),
        .e_phnum = 2,
    };
    *elf_segment(0) = (Elf32_Phdr){PT_LOAD, SEGMENT, 0xc0200000, 0x200000, 0x100, 0x100, 0, 0};
    *elf_segment(1) =
        (Elf32_Phdr){PT_LOAD, SEGMENT + 0x100, 0xc0300000, 0x300000, 0x80, 0x1000, 0, 0};
    memset(image + SEGMENT, 0xcc, 0x180);
    put32(SEGMENT, 0x1badb002);
    put32(SEGMENT + 4, 0);
    put32(SEGMENT + 8, -0x1badb002u);
    image_size = SEGMENT + 0x180;
}

static void make_firmware(void)
{
    static const uint8_t jump[] = {0xea, 0x5b, 0xe0, 0x00, 0xf0};

    image_size = 0x10000;
    memset(image, 0x5a, image_size);
    memcpy(image + image_size - 16, jump, sizeof(jump));
}

static void firmware_begins_where_a_processor_does(void **state)
{
    (void)state;
    make_firmware();
    image[0] = 0x11;
    assert_null(load());
    assert_int_equal(start.mode, LOAD_REAL);
    assert_int_equal(start.code, 0xf000);
    assert_int_equal(start.registers[HV_RIP], 0xfff0);
    assert_int_equal(start.registers[HV_RFLAGS], 2);
    assert_int_equal(start.rom_size, image_size);
    assert_memory_equal(bytes + 0xf0000, image, image_size);
    assert_int_equal(bytes[0xeffff], 0);
}

static void of_large_firmware_the_end_is_below_one_mebibyte(void **state)
{
    uint8_t *rom = calloc(1, 0x40000);

    (void)state;
    make_firmware();
    memcpy(rom + 0x30000, image, image_size);
    memset(rom + 0x1ffff, 0x77, 2);
    request.image = (struct load_file){rom, 0x40000, ""};
    assert_null(load_image(&request, &memory, &start));
    assert_int_equal(start.rom_size, 0x40000);
    assert_memory_equal(bytes + 0xe0000, rom + 0x20000, 0x20000);
    assert_int_equal(bytes[0xdffff], 0);
    free(rom);
}

static void what_is_almost_firmware_is_code_alone(void **state)
{
    static const unsigned changes[] = {16, 13, 12};

    (void)state;
    for (unsigned i = 0; i < sizeof(changes) / sizeof(changes[0]); i++) {
        make_firmware();
        image[image_size - changes[i]] ^= 1;
        assert_null(load());
        assert_int_equal(start.mode, LOAD_PROTECTED);
        assert_int_equal(start.rom_size, 0);
    }
    make_firmware();
    memmove(image, image + 1, image_size - 1);
    image_size -= 1;
    assert_null(load());
    assert_int_equal(start.mode, LOAD_PROTECTED);
    make_firmware();
    request.module_count = 1;
    expect_why("firmware has no use");
}

static void a_multiboot_kernel_begins(void **state)
{
    uint32_t info, map;

    (void)state;
    make_elf();
    memset(bytes + 0x300000, 0xff, 0x1000);
    request.modules[0] = (struct load_file){(const uint8_t *)"module", 6, "its words"};
    request.module_count = 1;
    assert_null(load());
    assert_int_equal(start.mode, LOAD_PROTECTED);
    assert_int_equal(start.registers[HV_RIP], 0x200010);
    assert_int_equal(start.registers[HV_RAX], 0x2badb002);
    assert_int_equal(bytes[0x30007f], 0xcc);
    assert_int_equal(bytes[0x300080], 0);
    info = (uint32_t)start.registers[HV_RBX];
    assert_string_equal(bytes + guest32(info + 16), "a line");
    assert_int_equal(guest32(info + 20), 1);
    assert_memory_equal(bytes + guest32(guest32(info + 24)), "module", 6);
    assert_string_equal(bytes + guest32(guest32(info + 24) + 8), "its words");
    map = guest32(info + 48);
    assert_int_equal(guest32(map), 20);
    assert_int_equal(guest32(map + 4 + 2 * 24), 0x100000);
    assert_int_equal(guest32(map + 12 + 2 * 24), MEMORY_SIZE - 0x100000);
}

#define ELF_CASES                                                                                  \
    X(elf_head()->e_machine = EM_ARM, "this kind of processor")                                    \
    X(elf_head()->e_ident[EI_CLASS] = 7, "size of words")                                          \
    X(elf_head()->e_ident[EI_DATA] = ELFDATA2MSB, "this kind of processor")                        \
    X(elf_head()->e_type = ET_DYN, "no program with an address")                                   \
    X(elf_head()->e_phentsize = 0, "program headers are damaged")                                  \
    X(elf_head()->e_phnum = 0, "program headers are damaged")                                      \
    X(elf_head()->e_phnum = 0xffff, "program headers are damaged")                                 \
    X(elf_head()->e_phoff = 0xfffffff0, "program headers are damaged")                             \
    X(elf_head()->e_entry = 0x100, "entry point is in no segment")                                 \
    X(elf_segment(0)->p_offset = 0xffffff00, "outside of the file")                                \
    X(elf_segment(0)->p_filesz = 0x101, "longer in the file than in memory")                       \
    X((elf_segment(1)->p_filesz = 0x1000), "outside of the file")                                  \
    X(elf_segment(1)->p_memsz = 0xffffffff, "where the machine has no memory")                     \
    X(elf_segment(1)->p_paddr = 0xfffff000, "where the machine has no memory")                     \
    X(elf_segment(1)->p_paddr = 0x7ff001, "where the machine has no memory")                       \
    X(elf_segment(1)->p_paddr = 0x8000, "below 1 MiB")                                             \
    X(elf_segment(1)->p_paddr = 0x2000ff, "at the same place")                                     \
    X(elf_segment(1)->p_paddr = 0x1ff001, "at the same place")                                     \
    X((put32(SEGMENT + 4, 4), put32(SEGMENT + 8, -0x1badb006u)), "not known here")                 \
    X(put32(SEGMENT, 0), "without a multiboot header")                                             \
    X(image_size = SEGMENT + 0x17f, "outside of the file")

static void damaged_elf_files_are_refused(void **state)
{
    (void)state;
#define X(change, part)                                                                            \
    make_elf();                                                                                    \
    change;                                                                                        \
    expect_why(part);
    ELF_CASES
#undef X
}

static void modules_need_room(void **state)
{
    static uint8_t large[MEMORY_SIZE];

    (void)state;
    make_elf();
    request.modules[0] = (struct load_file){large, MEMORY_SIZE - 0x301000, ""};
    request.module_count = 1;
    assert_null(load());
    request.modules[0].size++;
    expect_why("not enough memory");
    request.modules[0].size = UINT64_MAX;
    expect_why("not enough memory");
}

static void the_command_line_has_an_end(void **state)
{
    static char line[LOAD_CMDLINE_MAX + 1];

    (void)state;
    make_elf();
    memset(line, 'x', LOAD_CMDLINE_MAX - 1);
    request.cmdline = line;
    assert_null(load());
    line[LOAD_CMDLINE_MAX - 1] = 'x';
    expect_why("command line is too long");
}

/* Addresses in the header, in place of ELF. */
static void make_flat_multiboot(uint32_t header, uint32_t load_at, uint32_t end, uint32_t bss,
                                uint32_t entry)
{
    memset(image, 0xcc, 0x400);
    put32(0x40, 0x1badb002);
    put32(0x44, 0x10000);
    put32(0x48, -0x1badb002u - 0x10000u);
    put32(0x4c, header);
    put32(0x50, load_at);
    put32(0x54, end);
    put32(0x58, bss);
    put32(0x5c, entry);
    image_size = 0x400;
}

static void a_multiboot_header_may_have_addresses(void **state)
{
    (void)state;
    make_flat_multiboot(0x200040, 0x200000, 0, 0x201000, 0x200060);
    assert_null(load());
    assert_int_equal(start.registers[HV_RIP], 0x200060);
    assert_int_equal(bytes[0x2003ff], 0xcc);
    make_flat_multiboot(0x200040, 0x200041, 0, 0, 0x200060);
    expect_why("damaged");
    make_flat_multiboot(0x200080, 0x200000, 0, 0, 0x200060);
    expect_why("damaged");
    make_flat_multiboot(0x200040, 0x200000, 0x1fffff, 0, 0x200060);
    expect_why("damaged");
    make_flat_multiboot(0x200040, 0x200000, 0x200401, 0, 0x200060);
    expect_why("outside of the file");
    make_flat_multiboot(0x200040, 0x200000, 0, 0x200001, 0x200060);
    expect_why("outside of the file");
    make_flat_multiboot(0x200040, 0x200000, 0, 0xffffffff, 0x200060);
    expect_why("no memory for it");
    make_flat_multiboot(0x1040, 0x1000, 0, 0, 0x1060);
    expect_why("no memory for it");
    make_flat_multiboot(0x200040, 0x200000, 0, 0, 0x200400);
    expect_why("entry point");
}

/* --- Multiboot2 --- */

static unsigned tag_at;

static void put_tag(uint16_t type, uint16_t flags, uint32_t size, uint32_t value)
{
    memcpy(image + tag_at, &type, 2);
    memcpy(image + tag_at + 2, &flags, 2);
    put32(tag_at + 4, size);
    put32(tag_at + 8, value);
    tag_at += (size + 7) & ~7u;
}

static void make_multiboot2(uint16_t type, uint16_t flags, uint32_t size, uint32_t value)
{
    make_elf();
    put32(SEGMENT, 0xe85250d6);
    put32(SEGMENT + 4, 0);
    put32(SEGMENT + 8, 0x40);
    put32(SEGMENT + 12, -(0xe85250d6u + 0x40u));
    tag_at = SEGMENT + 16;
    put_tag(type, flags, size, value);
    put_tag(0, 0, 8, 0);
}

static void a_multiboot2_kernel_begins(void **state)
{
    uint32_t info, at;
    bool has_cmdline = false, has_map = false;

    (void)state;
    make_multiboot2(3, 0, 12, 0x200020); /* an entry of its own */
    assert_null(load());
    assert_int_equal(start.registers[HV_RIP], 0x200020);
    assert_int_equal(start.registers[HV_RAX], 0x36d76289);
    info = (uint32_t)start.registers[HV_RBX];
    for (at = info + 8; guest32(at) != 0; at += (guest32(at + 4) + 7) & ~7u) {
        has_cmdline |= guest32(at) == 1 && strcmp((char *)bytes + at + 8, "a line") == 0;
        has_map |= guest32(at) == 6 && guest32(at + 8) == 24 && guest32(at + 16) == 0;
        assert_true(at < info + guest32(info));
    }
    assert_int_equal(at + 8, info + guest32(info));
    assert_true(has_cmdline && has_map);
}

static void damaged_multiboot2_headers_are_refused(void **state)
{
    (void)state;
    make_multiboot2(99, 0, 8, 0);
    expect_why("not known here");
    make_multiboot2(99, 1, 8, 0); /* optional */
    assert_null(load());
    make_multiboot2(3, 0, 4, 0);
    expect_why("tags of the multiboot2 header are damaged");
    make_multiboot2(3, 0, 16, 0);
    put32(SEGMENT + 20, 0xfffffff9);
    expect_why("tags of the multiboot2 header are damaged");
    make_multiboot2(3, 0, 12, 0x1000);
    expect_why("entry point is outside");
    make_multiboot2(3, 0, 12, 0x80000000);
    expect_why("entry point is outside");
    make_multiboot2(1, 0, 8, 0);
    put32(SEGMENT + 4, 4);
    put32(SEGMENT + 12, -(0xe85250d6u + 0x40u + 4u));
    expect_why("another kind of processor");
    make_multiboot2(1, 0, 8, 0);
    put32(SEGMENT + 8, 0x80000000);
    put32(SEGMENT + 12, -(0xe85250d6u + 0x80000000u));
    expect_why("header is damaged");
}

/* --- Linux --- */

static void put(unsigned offset, unsigned size, uint64_t value)
{
    memcpy(image + offset, &value, size);
}

static void make_linux(void)
{
    image_size = 5 * 512 + 0x1000;
    image[0x1f1] = 4;
    put(0x1f4, 4, 0x1000 / 16);
    put(0x1fe, 2, 0xaa55);
    memcpy(image + 0x202, "HdrS", 4);
    put(0x206, 2, 0x20f);
    image[0x211] = 1;
    put(0x22c, 4, 0x7fffffff);
    put(0x230, 4, 0x100000);
    image[0x234] = 1;
    put(0x236, 2, 1);
    put(0x238, 4, 2047);
    put(0x258, 8, 0x200000);
    put(0x260, 4, 0x100000);
    memset(image + 5 * 512, 0xcc, 0x1000);
}

static void a_linux_kernel_begins(void **state)
{
    uint32_t params;

    (void)state;
    make_linux();
    request.modules[0] = (struct load_file){(const uint8_t *)"initrd", 6, ""};
    request.module_count = 1;
    request.rsdp = 0xe0000;
    assert_null(load());
    assert_int_equal(start.mode, LOAD_LONG);
    assert_int_equal(start.registers[HV_RIP], 0x200200);
    params = (uint32_t)start.registers[HV_RSI];
    assert_int_equal(bytes[0x200fff], 0xcc);
    assert_int_equal(guest32(params + 0x228), LOAD_CMDLINE);
    assert_string_equal(bytes + LOAD_CMDLINE, "a line");
    assert_memory_equal(bytes + guest32(params + 0x218), "initrd", 6);
    assert_int_equal(guest32(params + 0x21c), 6);
    assert_int_equal(guest32(params + 0x70), 0xe0000);
    assert_int_equal(bytes[params + 0x1e8], 3);
    assert_int_equal(bytes[params + 0x210], 0xff);
    assert_int_equal(guest32(LOAD_TABLES), (LOAD_TABLES + 4096) | 7);
    put(0x236, 2, 0); /* without a 64-bit entry */
    assert_null(load());
    assert_int_equal(start.mode, LOAD_PROTECTED);
    assert_int_equal(start.registers[HV_RIP], 0x200000);
    put(0x258, 8, 0x10000000); /* where there is no memory: it can be moved */
    assert_null(load());
    assert_int_equal(start.registers[HV_RIP], 0x100000);
}

#define LINUX_CASES                                                                                \
    X(put(0x206, 2, 0x20b), "too old")                                                             \
    X(image[0x211] = 0, "zImage")                                                                  \
    X(image[0x1f1] = 200, "cut short")                                                             \
    X(put(0x1f4, 4, 0xffffffff), "cut short")                                                      \
    X(put(0x1f4, 4, 0), "cut short")                                                               \
    X(image_size = 5 * 512 + 0xfff, "cut short")                                                   \
    X(put(0x260, 4, 0xfff), "needs less memory")                                                   \
    X(put(0x230, 4, 0), "power of two")                                                            \
    X(put(0x230, 4, 0x30000), "power of two")                                                      \
    X((image[0x234] = 0, put(0x258, 8, 0xfffffffffffff000)), "not enough memory")                  \
    X(put(0x260, 4, 0xffffffff), "not enough memory")                                              \
    X((put(0x258, 8, 0), put(0x230, 4, 0x80000000)), "not enough memory")                          \
    X(put(0x238, 4, 5), "longer than the Linux kernel takes")                                      \
    X(request.module_count = 2, "takes one file")

static void damaged_linux_kernels_are_refused(void **state)
{
    (void)state;
#define X(change, part)                                                                            \
    make_linux();                                                                                  \
    request.module_count = 0;                                                                      \
    change;                                                                                        \
    expect_why(part);
    LINUX_CASES
#undef X
}

static void initrds_stay_below_their_limit(void **state)
{
    (void)state;
    make_linux();
    put(0x22c, 4, 0x3fffff);
    request.modules[0] = (struct load_file){image, 0x1000, ""};
    request.module_count = 1;
    assert_null(load());
    assert_int_equal(guest32((uint32_t)start.registers[HV_RSI] + 0x218), 0x3ff000);
    put(0x22c, 4, 0x2fffff);
    expect_why("not enough memory");
}

/* --- anything --- */

static void change_anything(void)
{
    static const uint32_t values[] = {0, 1, 0x7fffffff, 0x80000000, 0xffffffff, 0xfffff000};
    unsigned n = 1 + (unsigned)rand() % 6;

    while (n-- != 0) {
        unsigned at = (unsigned)rand() % (unsigned)(image_size < 0x300 ? image_size : 0x300);

        if (rand() % 3 == 0) {
            put32(at & ~3u, values[rand() % 6]);
        } else {
            image[at] = (uint8_t)rand();
        }
    }
    if (rand() % 8 == 0) {
        image_size = (uint64_t)rand() % image_size;
    }
}

static void images_of_any_kind_do_no_harm(void **state)
{
    unsigned refused = 0;

    (void)state;
    srand(5);
    for (unsigned i = 0; i < ROUNDS; i++) {
        switch (rand() % 4) {
        case 0:
            make_elf();
            break;
        case 1:
            make_multiboot2(3, 0, 12, 0x200020);
            break;
        case 2:
            make_linux();
            break;
        default:
            make_flat_multiboot(0x200040, 0x200000, 0, 0x201000, 0x200060);
            break;
        }
        change_anything();
        refused += load() != NULL;
    }
    assert_in_range(refused, ROUNDS / 10, ROUNDS);
}

#define LOAD_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

static const struct CMUnitTest tests[] = {
    LOAD_TEST(code_alone_is_at_one_mebibyte),
    LOAD_TEST(a_sector_is_in_real_mode),
    LOAD_TEST(firmware_begins_where_a_processor_does),
    LOAD_TEST(of_large_firmware_the_end_is_below_one_mebibyte),
    LOAD_TEST(what_is_almost_firmware_is_code_alone),
    LOAD_TEST(a_multiboot_kernel_begins),
    LOAD_TEST(damaged_elf_files_are_refused),
    LOAD_TEST(modules_need_room),
    LOAD_TEST(the_command_line_has_an_end),
    LOAD_TEST(a_multiboot_header_may_have_addresses),
    LOAD_TEST(a_multiboot2_kernel_begins),
    LOAD_TEST(damaged_multiboot2_headers_are_refused),
    LOAD_TEST(a_linux_kernel_begins),
    LOAD_TEST(damaged_linux_kernels_are_refused),
    LOAD_TEST(initrds_stay_below_their_limit),
    LOAD_TEST(images_of_any_kind_do_no_harm),
};
TEST_MAIN("load", tests)

/* test_elf.c - programs good and damaged. Images are in exact allocations, so that the address
 * sanitizer sees every byte read beyond them. */
#include "fake.h"

#include <stdlib.h>
#include <string.h>

#include <mach/vm_param.h>
#include <portolan/spawn.h>

#include "spawn/elf_image.h"

#define IMAGE_SIZE 0x400
#define CODE_AT    0x401000u
#define DATA_AT    0x403010u

static Elf64_Ehdr *header(char *image)
{
    return (Elf64_Ehdr *)image;
}

static Elf64_Phdr *segment(char *image, unsigned i)
{
    return (Elf64_Phdr *)(image + sizeof(Elf64_Ehdr)) + i;
}

/* A good program: a code segment that holds the headers, and data with zeros behind it. */
static char *image_make(void)
{
    char *image = calloc(1, IMAGE_SIZE);

    memcpy(header(image)->e_ident, ELFMAG, SELFMAG);
    header(image)->e_ident[EI_CLASS] = ELFCLASS64;
    header(image)->e_ident[EI_DATA] = ELFDATA2LSB;
    header(image)->e_type = ET_EXEC;
    header(image)->e_machine = EM_X86_64;
    header(image)->e_entry = CODE_AT + 0x100;
    header(image)->e_phoff = sizeof(Elf64_Ehdr);
    header(image)->e_phentsize = sizeof(Elf64_Phdr);
    header(image)->e_phnum = 3;
    *segment(image, 0) =
        (Elf64_Phdr){PT_LOAD, PF_R | PF_X, 0, CODE_AT, CODE_AT, 0x200, 0x200, 4096};
    *segment(image, 1) =
        (Elf64_Phdr){PT_LOAD, PF_R | PF_W, 0x200, DATA_AT, DATA_AT, 0x200, 0x3000, 4096};
    *segment(image, 2) = (Elf64_Phdr){.p_type = PT_GNU_STACK};
    return image;
}

static void expect(char *image, int code)
{
    struct elf_image read;

    assert_int_equal(elf_image_read(image, IMAGE_SIZE, &read), code);
    free(image);
}

static void good_program_is_read(void **state)
{
    char *image = image_make();
    struct elf_image read;

    (void)state;
    assert_int_equal(elf_image_read(image, IMAGE_SIZE, &read), KERN_SUCCESS);
    assert_int_equal(read.segment_count, 2);
    assert_int_equal(read.entry, CODE_AT + 0x100);
    assert_int_equal(read.headers, CODE_AT + sizeof(Elf64_Ehdr));
    assert_int_equal(read.header_count, 3);
    assert_int_equal(read.segments[0].protection, VM_PROT_READ | VM_PROT_EXECUTE);
    assert_int_equal(read.segments[1].start, 0x403000);
    assert_int_equal(read.segments[1].end, 0x407000);
    assert_int_equal(read.segments[1].address, DATA_AT);
    assert_int_equal(read.segments[1].size, 0x200);
    assert_ptr_equal(read.segments[1].data, image + 0x200);
    free(image);
}

static void every_cut_is_refused(void **state)
{
    char *whole = image_make();

    (void)state;
    for (size_t size = 0; size < IMAGE_SIZE; size++) {
        char *cut = malloc(size + (size == 0));
        struct elf_image read;
        int code;

        memcpy(cut, whole, size);
        code = elf_image_read(cut, size, &read);
        assert_int_equal(code, size < SELFMAG ? SPAWN_NOT_ELF : SPAWN_DAMAGED);
        free(cut);
    }
    free(whole);
}

static void other_files_are_not_elf(void **state)
{
    char *image = image_make();

    (void)state;
    memcpy(image, "#!/bin/sh\n", 10);
    expect(image, SPAWN_NOT_ELF);
}

static void other_machines_are_refused(void **state)
{
    char *image = image_make();

    (void)state;
    header(image)->e_machine = EM_AARCH64;
    expect(image, SPAWN_WRONG_MACHINE);
    image = image_make();
    header(image)->e_ident[EI_CLASS] = ELFCLASS32;
    expect(image, SPAWN_WRONG_MACHINE);
    image = image_make();
    header(image)->e_ident[EI_DATA] = ELFDATA2MSB;
    expect(image, SPAWN_WRONG_MACHINE);
}

static void dynamic_programs_are_refused(void **state)
{
    char *image = image_make();

    (void)state;
    header(image)->e_type = ET_DYN;
    expect(image, SPAWN_NOT_STATIC);
    image = image_make();
    segment(image, 2)->p_type = PT_INTERP;
    expect(image, SPAWN_NOT_STATIC);
}

static void overlapping_segments_are_refused(void **state)
{
    char *image = image_make();

    (void)state;
    segment(image, 1)->p_vaddr = CODE_AT + 0x800; /* the same page */
    expect(image, SPAWN_DAMAGED);
    image = image_make();
    segment(image, 1)->p_vaddr = CODE_AT - 0x10000; /* falling addresses */
    expect(image, SPAWN_DAMAGED);
}

static void segments_outside_are_refused(void **state)
{
    static const uint64_t addresses[] = {0,
                                         0xfff,
                                         0x7fffffffe000,
                                         0x7ffffffff000,
                                         0x800000000000,
                                         0xffff800000000000,
                                         0xfffffffffffff000};
    char *image;

    (void)state;
    for (size_t i = 0; i < sizeof(addresses) / sizeof(addresses[0]); i++) {
        image = image_make();
        segment(image, 1)->p_vaddr = addresses[i];
        expect(image, SPAWN_DAMAGED);
    }
    image = image_make();
    segment(image, 1)->p_memsz = UINT64_MAX;
    expect(image, SPAWN_DAMAGED);
    image = image_make();
    segment(image, 1)->p_memsz = VM_MAX_ADDRESS;
    expect(image, SPAWN_DAMAGED);
}

static void segments_outside_the_file_are_refused(void **state)
{
    char *image = image_make();

    (void)state;
    segment(image, 1)->p_offset = IMAGE_SIZE;
    expect(image, SPAWN_DAMAGED);
    image = image_make();
    segment(image, 1)->p_offset = UINT64_MAX - 8;
    expect(image, SPAWN_DAMAGED);
    image = image_make();
    segment(image, 1)->p_filesz = 0x4000;
    expect(image, SPAWN_DAMAGED);
    image = image_make();
    header(image)->e_phoff = UINT64_MAX - 16;
    expect(image, SPAWN_DAMAGED);
    image = image_make();
    header(image)->e_phnum = 0xffff;
    expect(image, SPAWN_DAMAGED);
    image = image_make();
    header(image)->e_phentsize = 8;
    expect(image, SPAWN_DAMAGED);
}

static void entry_outside_code_is_refused(void **state)
{
    char *image = image_make();

    (void)state;
    header(image)->e_entry = DATA_AT;
    expect(image, SPAWN_DAMAGED);
    image = image_make();
    header(image)->e_phnum = 0;
    expect(image, SPAWN_DAMAGED);
}

/* Whatever is in the headers, what is accepted lies inside the image and the address space. */
static void damaged_headers_never_escape(void **state)
{
    (void)state;
    srand(1);
    for (int round = 0; round < 20000; round++) {
        char *image = image_make();
        struct elf_image read;

        for (int n = rand() % 4; n >= 0; n--) {
            image[16 + rand() % 216] = (char)(rand() % 3 == 0 ? 0xff : rand());
        }
        if (elf_image_read(image, IMAGE_SIZE, &read) == KERN_SUCCESS) {
            for (unsigned i = 0; i < read.segment_count; i++) {
                const struct elf_segment *s = &read.segments[i];
                const char *data = s->data;

                assert_true(data >= image && s->size <= IMAGE_SIZE - (size_t)(data - image));
                assert_true(s->start < s->end && s->end < VM_MAX_ADDRESS);
                assert_true(s->address >= s->start && s->address + s->size <= s->end);
                assert_true(i == 0 || s[-1].end <= s->start);
            }
        }
        free(image);
    }
}

static void every_code_has_a_sentence(void **state)
{
    (void)state;
    for (int code = SPAWN_NOT_ELF; code <= SPAWN_BAD_RIGHT; code++) {
        assert_true(strlen(spawn_error_string(code)) > 20);
        for (int other = SPAWN_NOT_ELF; other < code; other++) {
            assert_string_not_equal(spawn_error_string(code), spawn_error_string(other));
        }
    }
    assert_non_null(strstr(spawn_error_string(KERN_RESOURCE_SHORTAGE), "memory"));
}

const struct CMUnitTest elf_tests[] = {
    cmocka_unit_test(good_program_is_read),
    cmocka_unit_test(every_cut_is_refused),
    cmocka_unit_test(other_files_are_not_elf),
    cmocka_unit_test(other_machines_are_refused),
    cmocka_unit_test(dynamic_programs_are_refused),
    cmocka_unit_test(overlapping_segments_are_refused),
    cmocka_unit_test(segments_outside_are_refused),
    cmocka_unit_test(segments_outside_the_file_are_refused),
    cmocka_unit_test(entry_outside_code_is_refused),
    cmocka_unit_test(damaged_headers_never_escape),
    cmocka_unit_test(every_code_has_a_sentence),
};
const size_t elf_test_count = sizeof(elf_tests) / sizeof(elf_tests[0]);

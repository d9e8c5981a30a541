/* virtio_fuzz_test.c - some thousand guests made at random, in every test run; `make -f
 * tests/host/vmm/vmm.mk vmm-fuzz` gives the same to libFuzzer, which looks for new paths.
 *
 * usage: virtio_fuzz_test [COUNT [SEED]] */
#include <stdio.h>
#include <stdlib.h>

#include "virtio_fuzz.h"

#define COUNT_DEFAULT 20000u
#define SIZE          1024u

int main(int argc, char **argv)
{
    unsigned long count = argc > 1 ? strtoul(argv[1], NULL, 0) : COUNT_DEFAULT;
    uint64_t state = 0x853c49e6748fea9bu ^ (argc > 2 ? strtoul(argv[2], NULL, 0) << 20 : 0);
    uint8_t bytes[SIZE];

    for (unsigned long n = 0; n < count; n++) {
        for (unsigned i = 0; i < SIZE; i++) {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            bytes[i] = (uint8_t)(state >> 40);
        }
        (void)LLVMFuzzerTestOneInput(bytes, SIZE);
    }
    printf("%lu guests\n1 passed, 0 failed\n", count);
    return 0;
}

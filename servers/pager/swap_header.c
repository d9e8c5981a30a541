/* swap_header.c - see swap_header.h. The format (version 1): numbers from byte 1024 on, in the
 * order of the machine that made it; the signature at the end of the page. A machine that sleeps
 * has another signature there. */
#include "swap_header.h"

#include <string.h>

#define SIGNATURE  "SWAPSPACE2"
#define NUMBERS_AT 1024u
#define VERSION    1u
#define PAGES_MIN  10u
#define PAGES_MAX  (UINT32_MAX - 2)

struct swap_numbers {
    uint32_t version;
    uint32_t last_page;
    uint32_t bad_pages;
};

const char *swap_header_check(const void *header, uint64_t device_size, uint32_t *pages)
{
    const size_t length = sizeof(SIGNATURE) - 1;
    const char *bytes = header;
    struct swap_numbers numbers;

    if (memcmp(bytes + SWAP_HEADER_SIZE - length, SIGNATURE, length) != 0) {
        return "it is not marked as swap (mkswap)";
    }
    memcpy(&numbers, bytes + NUMBERS_AT, sizeof(numbers));
    if (numbers.version != VERSION || numbers.bad_pages != 0) {
        return "it was marked as swap for another machine, or has bad pages";
    }
    if (numbers.last_page < PAGES_MIN || numbers.last_page > PAGES_MAX ||
        device_size / SWAP_HEADER_SIZE <= numbers.last_page) {
        return "what it was marked for is not its size";
    }
    *pages = numbers.last_page;
    return NULL;
}

/* sha256sum.c - the SHA-256 of files (FIPS 180-4); -c FILE checks a list of them. */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "program.h"

#define BLOCK  64u
#define DIGEST 32u

struct sha256 {
    uint32_t state[8];
    uint64_t size; /* bytes so far */
    uint8_t rest[BLOCK];
};

static const uint32_t sha256_start[8] = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                                         0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};

static const uint32_t sha256_constants[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2};

static uint32_t rotate(uint32_t word, unsigned by)
{
    return word >> by | word << (32 - by);
}

static void sha256_block(struct sha256 *sum, const uint8_t *block)
{
    uint32_t w[64], s[8];

    for (unsigned i = 0; i < 16; i++) {
        w[i] = (uint32_t)block[4 * i] << 24 | (uint32_t)block[4 * i + 1] << 16 |
               (uint32_t)block[4 * i + 2] << 8 | block[4 * i + 3];
    }
    for (unsigned i = 16; i < 64; i++) {
        uint32_t low = rotate(w[i - 15], 7) ^ rotate(w[i - 15], 18) ^ w[i - 15] >> 3;
        uint32_t high = rotate(w[i - 2], 17) ^ rotate(w[i - 2], 19) ^ w[i - 2] >> 10;

        w[i] = w[i - 16] + low + w[i - 7] + high;
    }
    memcpy(s, sum->state, sizeof(s));
    for (unsigned i = 0; i < 64; i++) {
        uint32_t one = s[7] + (rotate(s[4], 6) ^ rotate(s[4], 11) ^ rotate(s[4], 25)) +
                       ((s[4] & s[5]) ^ (~s[4] & s[6])) + sha256_constants[i] + w[i];
        uint32_t two = (rotate(s[0], 2) ^ rotate(s[0], 13) ^ rotate(s[0], 22)) +
                       ((s[0] & s[1]) ^ (s[0] & s[2]) ^ (s[1] & s[2]));

        memmove(s + 1, s, 7 * sizeof(*s));
        s[4] += one;
        s[0] = one + two;
    }
    for (unsigned i = 0; i < 8; i++) {
        sum->state[i] += s[i];
    }
}

static void sha256_add(struct sha256 *sum, const uint8_t *bytes, size_t size)
{
    size_t have = sum->size % BLOCK;

    sum->size += size;
    while (have + size >= BLOCK) {
        memcpy(sum->rest + have, bytes, BLOCK - have);
        sha256_block(sum, sum->rest);
        bytes += BLOCK - have;
        size -= BLOCK - have;
        have = 0;
    }
    memcpy(sum->rest + have, bytes, size);
}

static void sha256_end(struct sha256 *sum, uint8_t digest[DIGEST])
{
    static const uint8_t padding[BLOCK] = {0x80};
    uint64_t bits = sum->size * 8;
    size_t have = sum->size % BLOCK;
    uint8_t length[8];

    for (unsigned i = 0; i < 8; i++) {
        length[i] = (uint8_t)(bits >> (56 - 8 * i));
    }
    sha256_add(sum, padding, have < BLOCK - 8 ? BLOCK - 8 - have : 2 * BLOCK - 8 - have);
    sha256_add(sum, length, sizeof(length));
    for (unsigned i = 0; i < DIGEST; i++) {
        digest[i] = (uint8_t)(sum->state[i / 4] >> (24 - 8 * (i % 4)));
    }
}

/* The sum of what the descriptor gives, as text. */
static bool sum_of(int fd, const char *name, char text[2 * DIGEST + 1])
{
    static uint8_t buffer[256 * 1024];
    struct sha256 sum = {.size = 0};
    uint8_t digest[DIGEST];
    ssize_t n;

    memcpy(sum.state, sha256_start, sizeof(sum.state));
    while ((n = read(fd, buffer, sizeof(buffer))) > 0) {
        sha256_add(&sum, buffer, (size_t)n);
    }
    if (n < 0) {
        program_say("%s: %s", name, strerror(errno));
        return false;
    }
    sha256_end(&sum, digest);
    for (unsigned i = 0; i < DIGEST; i++) {
        snprintf(text + 2 * i, 3, "%02x", digest[i]);
    }
    return true;
}

static bool sum_of_file(const char *path, char text[2 * DIGEST + 1])
{
    int fd = open(path, O_RDONLY);
    bool good;

    if (fd < 0) {
        program_say("%s: %s", path, strerror(errno));
        return false;
    }
    good = sum_of(fd, path, text);
    close(fd);
    return good;
}

/* Each line: a sum, two blanks, a path. */
static bool check_list(const char *path)
{
    FILE *list = fopen(path, "r");
    char line[2 * DIGEST + 2 + 4096];
    char text[2 * DIGEST + 1];
    bool good = true;

    if (list == NULL) {
        program_fail("%s: %s", path, strerror(errno));
    }
    while (fgets(line, sizeof(line), list) != NULL) {
        char *name = line + 2 * DIGEST + 2;
        bool is_same;

        line[strcspn(line, "\n")] = '\0';
        if (strlen(line) <= 2 * DIGEST + 2) {
            program_fail("%s: a line is no sum and path", path);
        }
        is_same = sum_of_file(name, text) && strncmp(line, text, 2 * DIGEST) == 0;
        printf("%s: %s\n", name, is_same ? "OK" : "FAILED");
        good = good && is_same;
    }
    fclose(list);
    return good;
}

int main(int argc, char **argv)
{
    char text[2 * DIGEST + 1];
    bool good = true;

    program_start(argv);
    if (argc == 3 && strcmp(argv[1], "-c") == 0) {
        return check_list(argv[2]) ? 0 : 1;
    }
    if (argc > 1 && argv[1][0] == '-') {
        program_usage("sha256sum [FILE...], sha256sum -c LIST");
    }
    if (argc == 1 && (good = sum_of(STDIN_FILENO, "standard input", text))) {
        printf("%s  -\n", text);
    }
    for (int i = 1; i < argc; i++) {
        if (sum_of_file(argv[i], text)) {
            printf("%s  %s\n", text, argv[i]);
        } else {
            good = false;
        }
    }
    return good ? 0 : 1;
}

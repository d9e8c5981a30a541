/* hv_tag.h - the numbers by which a processor's TLB tells guests apart: ASIDs, VPIDs.
 *
 * Each processor hands out its own, in order. One is good as long as nothing that the TLB may hold
 * under it has changed: what has, takes another. When they are used up they start again, with an
 * empty TLB, as one more generation. */
#ifndef HV_HV_TAG_H
#define HV_HV_TAG_H

#include <stdbool.h>
#include <stdint.h>

/* Of a processor; all zero: none given yet. Keys: [C] its processor only, interrupts off */
struct hv_tags {
    uint64_t generation; /* [C] */
    uint32_t next;       /* [C] 1 .. count - 1: those left in it; 0 is the host's */
};

/* Of a guest's processor. Keys: [O] whoever owns that */
struct hv_tag {
    uint32_t number;     /* [O] */
    int32_t cpu;         /* [O] where it is good, or -1, */
    uint64_t generation; /* [O]   as long as that has this generation, */
    uint64_t flushes;    /* [O]   and the nested page tables have not been flushed since */
};

static inline bool hv_tag_is_good(const struct hv_tag *tag, const struct hv_tags *tags,
                                  uint32_t cpu, uint64_t flushes)
{
    return __builtin_expect(tag->cpu == (int32_t)cpu && tag->flushes == flushes &&
                                tag->generation == tags->generation,
                            1);
}

/* Have a new one, of count. Returns: whether the TLB must be emptied of all guests' first. */
bool hv_tag_take(struct hv_tag *tag, struct hv_tags *tags, uint32_t count, uint32_t cpu,
                 uint64_t flushes);

#endif

/* hv_tag.c - one more ASID or VPID. */
#include "hv/hv_tag.h"

bool hv_tag_take(struct hv_tag *tag, struct hv_tags *tags, uint32_t count, uint32_t cpu,
                 uint64_t flushes)
{
    bool starts = tags->next == 0 || tags->next >= count;

    if (starts) {
        tags->generation++;
        tags->next = 1;
    }
    *tag = (struct hv_tag){tags->next, (int32_t)cpu, tags->generation, flushes};
    tags->next++;
    return starts;
}

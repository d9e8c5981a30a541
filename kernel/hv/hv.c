/* hv.c - which back end runs guests here. */
#include "hv/hv.h"

#include "hv/hv_impl.h"
#include "kern/printf.h"

const struct hv_ops *hv_ops;

void hv_init(void)
{
    static const struct hv_ops *const back_ends[] = {&svm_ops};

    for (unsigned i = 0; i < sizeof(back_ends) / sizeof(back_ends[0]) && hv_ops == NULL; i++) {
        if (back_ends[i]->init()) {
            hv_ops = back_ends[i];
            kprintf("hv: virtual machines by %s\n", hv_ops->name);
        }
    }
}

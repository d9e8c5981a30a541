/* virtio_fuzz.h - a guest that does anything to virtio devices, from bytes that a fuzzer makes up.
 */
#ifndef VIRTIO_FUZZ_H
#define VIRTIO_FUZZ_H

#include <stddef.h>
#include <stdint.h>

/* One guest: the devices are put into a machine, their drivers started, and then the bytes say what
 * the guest writes to memory, registers and queues. Ends the program if a device reaches beyond the
 * memory it was given or the disk it has. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#endif

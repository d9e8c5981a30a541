/* channel_impl.h - what probe.c needs of channel.c. */
#ifndef ATA_CHANNEL_IMPL_H
#define ATA_CHANNEL_IMPL_H

#include "channel.h"

extern const struct block_ops channel_ops;

/* Have the registers be those of that device, for what comes next. */
void channel_select(const struct channel *channel, uint8_t select);
/* Wait until those bits of the status are clear, without acknowledging an interrupt. Returns: the
 * last status, also when they were not clear in time. */
uint8_t channel_wait(const struct channel *channel, uint8_t bits, unsigned limit_ms);
/* Give a device a command. Returns: false when it is not ready for one. */
bool channel_give(const struct channel *channel, const struct channel_disk *d,
                  const struct ata_command *c);
/* What a device that takes packets has ready, in bytes; after a reset the signature. */
uint16_t channel_byte_count(const struct channel *channel);
/* Begin a reset of both, with interrupts on or off from then on. */
void channel_reset_devices(const struct channel *channel, bool interrupts);

#endif

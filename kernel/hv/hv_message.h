/* hv_message.h - interrupts between the local APICs of a machine, and from its devices. */
#ifndef HV_HV_MESSAGE_H
#define HV_HV_MESSAGE_H

#include <mach/kern_return.h>

struct hv_apic_message;
struct hv_machine;
struct hv_vcpu;

/* Deliver it to the processors it is for. sender: the processor it comes from, or NULL. Locks:
 * none; takes the machine's. Sleeps: no. Returns: KERN_SUCCESS, KERN_FAILURE (nobody takes it),
 * KERN_TERMINATED. */
kern_return_t hv_message_send(struct hv_machine *machine, const struct hv_apic_message *message,
                              struct hv_vcpu *sender);

#endif

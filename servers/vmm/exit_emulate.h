/* exit_emulate.h - an instruction done in the guest's place. */
#ifndef VMM_EXIT_EMULATE_H
#define VMM_EXIT_EMULATE_H

#include "machine.h"

/* Do the instruction that the guest was left at, by HV_EXIT_MEMORY or a string instruction of
 * HV_EXIT_PORT; or end the machine, with a sentence. Locks: machine->lock held. */
void exit_emulate(struct vcpu *vcpu);

#endif

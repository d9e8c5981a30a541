/* smp.h - starting the other processors. */
#ifndef ARCH_SMP_H
#define ARCH_SMP_H

/* Start every processor ACPI names, one after the other; each enters its idle loop. One that does
 * not answer is left off. */
void smp_start(void);

#endif

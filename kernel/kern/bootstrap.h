/* bootstrap.h - the first task. */
#ifndef KERN_BOOTSTRAP_H
#define KERN_BOOTSTRAP_H

/* Start the first task from the boot loader's first module, with the second, the archive, mapped
 * into it. Panics with a sentence when a module is missing or damaged. The task gets send rights
 * under the names 1 (privileged host), 2 (hardware), 3 (its own task) and 4 (hypervisor), and the
 * arguments
 *     bootstrap 1 2 3 4 ARCHIVE-ADDRESS ARCHIVE-SIZE [words of the kernel command line after `--`]
 */
void bootstrap_start(void);

#endif

/* vm_machine_types.h - sizes and numbers of vm_machine.defs and vm_master.defs. */
#ifndef PORTOLAN_VM_MACHINE_TYPES_H
#define PORTOLAN_VM_MACHINE_TYPES_H

#include <mach/port.h>

#define VM_NAME_MAX   32
#define VM_WORDS_MAX  6144
#define VM_TEXT_MAX   4096
#define VM_RIGHTS_MAX 10

typedef char vm_name_t[VM_NAME_MAX];
typedef const char *const_vm_name_t;
typedef char vm_words_t[VM_WORDS_MAX];
typedef const char *const_vm_words_t;
typedef char vm_text_t[VM_TEXT_MAX];
typedef mach_port_t vm_rights_t[VM_RIGHTS_MAX];

/* States of a machine. */
#define VM_RUNNING 0
#define VM_PAUSED  1
#define VM_ENDED   2

#endif

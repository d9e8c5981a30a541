/* mach.h - all of the interface that is not generated, in one inclusion. */
#ifndef MACH_MACH_H
#define MACH_MACH_H

#include <mach/default_pager_types.h>
#include <mach/device_types.h>
#include <mach/exception.h>
#include <mach/gnumach.h>
#include <mach/host_reboot.h>
#include <mach/kern_return.h>
#include <mach/mach_debug_types.h>
#include <mach/mach_i386_types.h>
#include <mach/mach_traps.h>
#include <mach/mach_types.h>
#include <mach/mig_errors.h>
#include <mach/notify.h>
#include <mach/std_types.h>
#include <mach/thread_switch.h>
#include <mach/vm_param.h>

#endif

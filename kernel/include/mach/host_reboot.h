/* host_reboot.h - what host_reboot does. */
#ifndef MACH_HOST_REBOOT_H
#define MACH_HOST_REBOOT_H

#define RB_AUTOBOOT 0
#define RB_ASKNAME  0x01
#define RB_SINGLE   0x02
#define RB_KDB      0x04
#define RB_HALT     0x08
#define RB_INITNAME 0x10
#define RB_DFLTROOT 0x20
#define RB_ALTBOOT  0x40
#define RB_UNIPROC  0x80
#define RB_DEBUGGER 0x1000 /* enter the debugger instead */

#define HOST_REBOOT_DEBUGGER RB_DEBUGGER

#endif

/* host.h - the host: its ports. The name port tells, the privileged port changes. */
#ifndef KERN_HOST_H
#define KERN_HOST_H

struct ipc_port;

struct host {
    int unused; /* there is one host; its state lies where it belongs */
};

extern struct host host_self;
extern struct ipc_port *host_name_port; /* [I] after host_init() */
extern struct ipc_port *host_priv_port; /* [I] */
extern struct ipc_port
    *host_hardware_port; /* [I] raw devices; what the ABI calls the device master port */
extern struct ipc_port *host_hv_port; /* [I] virtual machines */

/* Make the ports. Panics when out of memory. */
void host_init(void);
/* Stop the machine. */
_Noreturn void host_power_off(void);
_Noreturn void host_restart(void);

#endif

/* registers.h - the registers of an AHCI controller (AHCI 1.3.1, 3). Tests of the host put a
 * controller of their own behind them. */
#ifndef AHCI_REGISTERS_H
#define AHCI_REGISTERS_H

#include <stdint.h>

#define HBA_CAP      0x00u
#define HBA_GHC      0x04u
#define HBA_IS       0x08u
#define HBA_PI       0x0cu
#define HBA_CAP2     0x24u
#define HBA_BOHC     0x28u
#define HBA_PORTS    0x100u
#define HBA_PORT     0x80u /* bytes of one */
#define HBA_PORT_MAX 32u

#define CAP_SLOTS      0x00001f00u
#define CAP_SLOTS_BIT  8
#define CAP_QUEUED     (1u << 30)
#define CAP_64_BITS    (1u << 31)
#define CAP2_HANDOFF   (1u << 0)
#define GHC_RESET      (1u << 0)
#define GHC_INTERRUPTS (1u << 1)
#define GHC_AHCI       (1u << 31)
#define BOHC_BIOS      (1u << 0)
#define BOHC_SYSTEM    (1u << 1)
#define BOHC_CHANGE    (1u << 3)
#define BOHC_BUSY      (1u << 4)

/* Of a port, behind HBA_PORTS + number * HBA_PORT. */
#define PORT_CLB  0x00u
#define PORT_CLBU 0x04u
#define PORT_FB   0x08u
#define PORT_FBU  0x0cu
#define PORT_IS   0x10u
#define PORT_IE   0x14u
#define PORT_CMD  0x18u
#define PORT_TFD  0x20u
#define PORT_SIG  0x24u
#define PORT_SSTS 0x28u
#define PORT_SCTL 0x2cu
#define PORT_SERR 0x30u
#define PORT_SACT 0x34u
#define PORT_CI   0x38u

#define PORT_IS_DONE   0x0000000fu /* FISes that may end a command */
#define PORT_IS_CHANGE 0x00400040u /* something was plugged in or out */
#define PORT_IS_ERROR  0x7d000010u /* a command failed, or the port */
#define CMD_START      (1u << 0)
#define CMD_SPIN_UP    (1u << 1)
#define CMD_POWER      (1u << 2)
#define CMD_RECEIVE    (1u << 4)
#define CMD_RECEIVES   (1u << 14)
#define CMD_RUNS       (1u << 15)
#define SSTS_DEVICE    0x0fu
#define SSTS_UP        0x03u
#define SCTL_RESET     0x01u
#define SIG_ATA        0x00000101u
#define SIG_ATAPI      0xeb140101u

/* Map them. Ends the driver when there are none. Returns: how many ports there is room for. */
unsigned registers_map(void);

/* Read and write one, at an offset that is a multiple of 4. Beyond those mapped all bits are read
 * as 1, and nothing is written. */
uint32_t registers_get(unsigned offset);
void registers_put(unsigned offset, uint32_t value);

#endif

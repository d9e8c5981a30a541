/* ddb.h - the kernel debugger on the serial line. */
#ifndef DDB_DDB_H
#define DDB_DDB_H

void ddb_init(void);
/* Stop everything and read commands from the serial line until `c` (continue). `why` is shown. Does
 * nothing unless the kernel is a debug kernel with `ddb` on its command line: unattended machines
 * must not wait for a keyboard. */
void ddb_enter(const char *why);
/* On the other processors, from the NMI that stops them: wait until the debugger is left. */
void ddb_wait(void);

#endif

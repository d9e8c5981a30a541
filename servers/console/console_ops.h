/* console_ops.h - requests to the console. */
#ifndef CONSOLE_OPS_H
#define CONSOLE_OPS_H

#include <mach/message.h>

/* Serve a request of io.defs or console.defs; FALSE when it is of neither. */
boolean_t console_demux(mach_msg_header_t *in, mach_msg_header_t *out);

#endif

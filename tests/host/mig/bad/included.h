
type port_t = MACH_MSG_TYPE_NO_SUCH;

"""table.py - the checks that tests/mutation.py takes out of the source, one at a time.

Each: (threat, what is gone, file, old text, new text, program). The old text is in the file exactly once; the program, attack_PROGRAM_test,
must fail without it."""

RIGHT_OPS = "kernel/ipc/ipc_right_ops.c"
RIGHT = "kernel/ipc/ipc_right.c"
TASKS = "kernel/kern/task_server.c"
COPYIN = "kernel/ipc/ipc_copyin.c"
STUBS = "tools/mig/emit_kernel.c"

MUTATIONS = [
    ("M1", "the upper end of a count", RIGHT_OPS,
     "    if (urefs < 0 || urefs > (int64_t)MACH_PORT_UREFS_MAX) {\n",
     "    if (urefs < 0) {\n", "count"),
    ("M1", "the lower end of a count", RIGHT_OPS,
     "    if (urefs < 0 || urefs > (int64_t)MACH_PORT_UREFS_MAX) {\n",
     "    if (urefs > (int64_t)MACH_PORT_UREFS_MAX) {\n", "count"),
    ("M1", "a right put in at a full count", RIGHT,
     "    if (urefs + 1 >= MACH_PORT_UREFS_MAX) {\n",
     "    if (urefs > MACH_PORT_UREFS_MAX) {\n", "count"),
    ("M1", "references a message has counted on", RIGHT,
     "((entry->bits & MACH_PORT_TYPE_SEND) != 0 || (dead && dead_ok)) && left > 0;",
     "((entry->bits & MACH_PORT_TYPE_SEND) != 0 || (dead && dead_ok));", "count"),
    ("M2", "a refused routine consumes nothing", STUBS,
     '    fputs("    if (mig_code != KERN_SUCCESS && mig_code != MIG_NO_REPLY) {\\n        goto failed;\\n "\n'
     '          "   }\\n",\n          out);\n    kernel_consume(context);\n',
     '    kernel_consume(context);\n'
     '    fputs("    if (mig_code != KERN_SUCCESS && mig_code != MIG_NO_REPLY) {\\n        goto failed;\\n "\n'
     '          "   }\\n",\n          out);\n', "right"),
    ("M2", "a routine that succeeded has consumed", STUBS,
     '            fprintf(out, "    mig_consume(mig_request, %s_at);\\n", p->name);\n        }\n',
     '        }\n', "right"),
    ("M2", "a trap gives back what it could not insert", "kernel/ipc/mach_port_traps.c",
     "            if (kr != KERN_SUCCESS) {\n                ipc_port_release_right(port, ipc_right_type(disposition));\n            }\n",
     "", "right"),
    ("M3", "who tells an open file's server of no senders", "servers/bootstrap/files.c",
     "            KERN_SUCCESS ||\n        status.mps_srights) {\n",
     "            KERN_SUCCESS) {\n", "notify"),
    ("M3", "which ports the bootstrap server believes", "servers/bootstrap/main.c",
     "    } else if (notification && !main_is_genuine(in)) {\n",
     "    } else if (notification && !main_is_genuine(in) && in->msgh_id == MACH_NOTIFY_FIRST) {\n", "notify"),
    ("M3", "over which right a message came", "kernel/ipc/ipc_copyout.c",
     "local_type = port->has_payload ? MACH_MSG_TYPE_PROTECTED_PAYLOAD : type;\n",
     "local_type = port->has_payload ? MACH_MSG_TYPE_PROTECTED_PAYLOAD : MACH_MSG_TYPE_PORT_SEND_ONCE;\n", "notify"),
    ("M4", "how many ports may be registered", TASKS,
     "    if (count > TASK_PORT_REGISTER_MAX) {\n        return KERN_INVALID_ARGUMENT;\n    }\n",
     "", "size"),
    ("M4", "how long a message's items can be", "kernel/ipc/ipc_body.c",
     "    if (taken > left) {\n", "    if (taken > left && item->number == 0) {\n", "size"),
    ("M4", "how many rights a message can carry", COPYIN,
     "    if (in->rights > IPC_COPYIN_RIGHTS_MAX) {\n", "    if (in->rights > IPC_COPYIN_RIGHTS_MAX && in->rights == 0) {\n", "size"),
    ("M5", "a thread that has ended takes no port", "kernel/kern/thread_server.c",
     "    if (thread->self_port == NULL) {\n        spin_unlock(&thread->task->lock);\n        return KERN_FAILURE;\n    }\n"
     "    old = thread->exception_port;\n",
     "    old = thread->exception_port;\n", "race"),
    ("M6", "the size is the trap's, not the header's", COPYIN,
     "    kmsg->header.msgh_size = kmsg->room;\n", "", "size"),
    ("M6", "a length has 64 bits", "kernel/ipc/ipc_body.h",
     "    return ((uint64_t)type->msgt_number * type->msgt_size + 7) / 8;\n",
     "    return (type->msgt_number * type->msgt_size + 7) / 8;\n", "size"),
    ("M6", "words of a trap fit where they are copied", "kernel/kern/trap_calls.c",
     "    if (count > STATE_MAX_WORDS) {\n        return KERN_INVALID_ARGUMENT;\n    }\n", "", "size"),
    ("M7", "zeroes after the end of a message", COPYIN,
     "    if (kmsg->room != size) {\n        memset((char *)&kmsg->header + size, 0, kmsg->room - size);\n    }\n", "", "bytes"),
    ("M7", "the header's spare words are cleared", COPYIN,
     "    header->msgh_remote_pad = 0;\n", "", "bytes"),
    ("M7", "zeroes beside memory out of line", "kernel/vm/vm_map_copyin.c",
     "    char *bytes = kalloc_zeroed(PAGE_SIZE);\n", "    char *bytes = kalloc(PAGE_SIZE);\n", "bytes"),
    ("M9", "the page an end lies in", "kernel/vm/vm_map.c",
     "    *end = (address + size + PAGE_MASK) & ~PAGE_MASK;\n",
     "    *end = (address + size) & ~PAGE_MASK;\n", "large"),
    ("M9", "a large mapping is split before a part goes", "kernel/arch/x86_64/pmap.c",
     "    uint64_t *table = pmap_walk_small(pmap, va, path);\n"
     "    uint64_t stop = (va | (LARGE_PAGE_SIZE - 1)) + 1;\n    uint64_t removed;\n",
     "    uint64_t *table = pmap_walk(pmap, va, path);\n"
     "    uint64_t stop = (va | (LARGE_PAGE_SIZE - 1)) + 1;\n    uint64_t removed;\n", "large"),
    ("M9", "what a large mapping is split into", "kernel/arch/x86_64/pmap_large.c",
     "            table[i] = ((old & ~PTE_LARGE) | used) + i * PAGE_SIZE;\n",
     "            table[i] = (old & ~PTE_LARGE) | used;\n", "large"),
    ("M12", "destruction of messages does not nest", "kernel/ipc/ipc_kmsg.c",
     "    if (ipc->reap != NULL) {\n        list_splice_tail(ipc->reap, messages);\n        return;\n    }\n", "", "right"),
    ("M12", "rights of an array go with their message", "kernel/ipc/ipc_kmsg.c",
     "        for (i = 0; kind == IPC_SLOT_OOL_PORTS && i < slot->count; i++) {\n"
     "            ipc_port_release_right(ports[i], slot->type);\n        }\n",
     "        for (i = slot->count; i < slot->count; i++) {\n"
     "            ipc_port_release_right(ports[i], slot->type);\n        }\n", "right"),
    ("M13", "the search for a ring", "kernel/ipc/ipc_port.c",
     "            return number == transit;\n",
     "            return number == transit && false;\n", "right"),
    ("M13", "receive rights in arrays count, too", "kernel/ipc/ipc_kmsg.c",
     "           (slot->kind == IPC_SLOT_PORT || slot->kind == IPC_SLOT_OOL_PORTS);\n",
     "           slot->kind == IPC_SLOT_PORT;\n", "right"),
    ("M14", "a freed entry's next generation", "kernel/ipc/ipc_space_impl.h",
     "    entry->bits = (entry->bits & IPC_ENTRY_GENERATION) + (1u << IPC_NAME_INDEX_BITS);\n",
     "    entry->bits = entry->bits & IPC_ENTRY_GENERATION;\n", "count"),
    ("M14", "a name's generation is its entry's", "kernel/ipc/ipc_space.h",
     "    return ((entry->bits ^ name) & IPC_ENTRY_GENERATION) == 0 &&\n           (entry->bits & IPC_ENTRY_TYPE) != 0;\n",
     "    return (entry->bits & IPC_ENTRY_TYPE) != 0 && name != 0;\n", "count"),
]

/* mach_types.h - handles of kernel objects: ports in user space, the objects themselves in the
 * kernel. */
#ifndef MACH_MACH_TYPES_H
#define MACH_MACH_TYPES_H

#include <mach/host_info.h>
#include <mach/memory_object.h>
#include <mach/message.h>
#include <mach/pc_sample.h>
#include <mach/policy.h>
#include <mach/port.h>
#include <mach/processor_info.h>
#include <mach/task_info.h>
#include <mach/task_special_ports.h>
#include <mach/thread_info.h>
#include <mach/thread_special_ports.h>
#include <mach/thread_status.h>
#include <mach/time_value.h>
#include <mach/vm_attributes.h>
#include <mach/vm_cache_statistics.h>
#include <mach/vm_inherit.h>
#include <mach/vm_prot.h>
#include <mach/vm_statistics.h>
#include <mach/vm_sync.h>
#include <mach/vm_types.h>
#include <mach/vm_wire.h>

#if KERNEL

struct task;
struct thread;
struct vm_map;
struct vm_object;
struct vm_copy;
struct ipc_space;
struct host;
struct processor;
struct processor_set;
struct device;

typedef struct task *task_t;
typedef struct thread *thread_t;
typedef struct vm_map *vm_map_t;
typedef struct vm_map *vm_task_t;
typedef struct ipc_space *ipc_space_t;
typedef struct host *host_t;
typedef struct host *host_priv_t;
typedef struct processor *processor_t;
typedef struct processor *processor_name_t;
typedef struct processor_set *processor_set_t;
typedef struct processor_set *processor_set_name_t;
typedef struct device *device_t;
typedef struct ipc_port *memory_object_t;
typedef struct vm_object *memory_object_control_t;
typedef struct vm_object *memory_object_name_t;

#else

typedef mach_port_t task_t;
typedef mach_port_t thread_t;
typedef mach_port_t vm_map_t;
typedef mach_port_t vm_task_t;
typedef mach_port_t ipc_space_t;
typedef mach_port_t host_t;
typedef mach_port_t host_priv_t;
typedef mach_port_t processor_t;
typedef mach_port_t processor_name_t;
typedef mach_port_t processor_set_t;
typedef mach_port_t processor_set_name_t;
typedef mach_port_t device_t;
typedef mach_port_t memory_object_t;
typedef mach_port_t memory_object_control_t;
typedef mach_port_t memory_object_name_t;

typedef mach_port_t *task_array_t;
typedef mach_port_t *thread_array_t;
typedef mach_port_t *processor_array_t;
typedef mach_port_t *processor_name_array_t;
typedef mach_port_t *processor_set_array_t;
typedef mach_port_t *processor_set_name_array_t;

#define TASK_NULL   ((task_t)MACH_PORT_NULL)
#define THREAD_NULL ((thread_t)MACH_PORT_NULL)
#define HOST_NULL   ((host_t)MACH_PORT_NULL)

#endif

#endif

/* task_notify.c - telling one privileged port of every new task (register_new_task_notification).
 */
#include "kern/task_notify.h"

#include "gnumach_kernel_server.h"
#include "ipc/ipc_port.h"
#include "kern/ipc_tt.h"
#include "kern/task.h"
#include "task_notify_kernel_user.h"

static struct spinlock task_notify_lock = SPINLOCK_INITIALIZER(LOCK_RANK_TASK, "task notify");
static struct ipc_port *task_notify_port; /* [task_notify_lock] send right or NULL */

/* Returns: KERN_SUCCESS, KERN_NO_ACCESS (somebody has registered already). */
kern_return_t register_new_task_notification(host_priv_t host, struct ipc_port *notification)
{
    struct ipc_port *old;

    spin_lock(&task_notify_lock);
    old = task_notify_port;
    if (IP_VALID(old) && old->active &&
        IP_VALID(notification)) { /* one whose receiver has died is replaced */
        spin_unlock(&task_notify_lock);
        return KERN_NO_ACCESS;
    }
    task_notify_port = notification;
    spin_unlock(&task_notify_lock);
    ipc_port_release_send(old);
    return KERN_SUCCESS;
}

void task_notify_created(struct task *parent, struct task *task)
{
    struct ipc_port *port;

    if (task_notify_port == NULL) {
        return;
    }
    spin_lock(&task_notify_lock);
    port = ipc_port_copy_send(task_notify_port);
    spin_unlock(&task_notify_lock);
    if (IP_VALID(port)) {
        struct ipc_port *task_port = task_self_port(task);
        struct ipc_port *parent_port = task_self_port(parent);

        if (mach_notify_new_task(port, task_port, parent_port) ==
            MACH_SEND_NO_BUFFER) { /* nothing took the rights over */
            ipc_port_release_send(port);
            ipc_port_release_send(task_port);
            ipc_port_release_send(parent_port);
        }
    }
}

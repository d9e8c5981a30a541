/* driver_fault.c - damages a driver while it works, and says what became of who uses it.
 *
 *     driver_fault TASK COUNT PAUSE_MS SEED [device]
 *
 * So often bytes of the driver's code are overwritten, or a register of a thread of it is changed;
 * or, with `device`, a register of its device is written, or a word of the driver's memory, where
 * the device's queues are. Only an IOMMU keeps such a device to the driver's memory. Meanwhile two
 * threads use the file system on /disk. Whatever they get, an answer is what they must get. */
#include <errno.h>
#include <fcntl.h>
#include <mach.h>
#include <mach/thread_status.h>
#include <mach_port.h>
#include <portolan/portolan.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "device_fault.h"
#include "userland/lib/program.h"
#include "userland/lib/tasks.h"

#define PAGE      4096ul
#define BYTES_MAX 8u /* overwritten at once */
#define USERS     2u
#define BLOCK     65536u
#define END_S     120 /* for an answer to the last request */
#define USE_MS    50  /* faults in a device wait so long for it to be used since the last */
#define REGIONS   256u

struct user {
    pthread_t thread;
    uint64_t good, errors;
};

static volatile bool stop;
static bool is_device; /* faults are put into the device */
static struct user users[USERS];
static uint64_t random_state;

static uint64_t below(uint64_t limit)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return (random_state >> 20) % limit;
}

/* --- faults --- */

/* The region of the task's code. Returns: false when there is none. */
static bool find_code(mach_port_t task, vm_address_t *start, vm_size_t *size)
{
    vm_prot_t protection = 0, max_protection;
    vm_inherit_t inheritance;
    boolean_t shared;
    mach_port_t name = MACH_PORT_NULL;
    vm_offset_t offset;

    for (*start = 0; vm_region(task, start, size, &protection, &max_protection, &inheritance,
                               &shared, &name, &offset) == KERN_SUCCESS;
         *start += *size) {
        if (MACH_PORT_VALID(name)) {
            mach_port_deallocate(mach_task_self(), name);
        }
        if ((protection & VM_PROT_EXECUTE) != 0) {
            return true;
        }
    }
    return false;
}

/* Overwrite some bytes of code; the task stands still meanwhile, so that nothing but them is
 * wrong. */
static bool damage_code(mach_port_t task)
{
    unsigned char bytes[BYTES_MAX];
    vm_size_t size, n = 1 + below(BYTES_MAX);
    vm_address_t start, at, page;
    bool is_done;

    if (!find_code(task, &start, &size) || task_suspend(task) != KERN_SUCCESS) {
        return false;
    }
    at = start + below(size - BYTES_MAX);
    page = at & ~(PAGE - 1);
    for (unsigned i = 0; i < n; i++) {
        bytes[i] = below(4) == 0 ? 0x90 : (unsigned char)below(256); /* nop */
    }
    is_done = vm_protect(task, page, 2 * PAGE, FALSE, VM_PROT_DEFAULT) == KERN_SUCCESS &&
              vm_write(task, at, (vm_offset_t)bytes, (mach_msg_type_number_t)n) == KERN_SUCCESS;
    (void)vm_protect(task, page, 2 * PAGE, FALSE, VM_PROT_READ | VM_PROT_EXECUTE);
    (void)task_resume(task);
    return is_done;
}

/* Change a bit of a register. */
static bool damage_thread(mach_port_t thread)
{
    struct i386_thread_state state;
    mach_msg_type_number_t count = i386_THREAD_STATE_COUNT;
    uint64_t *words[] = {&state.rax, &state.rbx, &state.rcx, &state.rdx,  &state.rsi, &state.rdi,
                         &state.rbp, &state.r8,  &state.r12, &state.ursp, &state.rip};
    bool is_done = false;

    if (thread_suspend(thread) != KERN_SUCCESS) {
        return false;
    }
    if (thread_get_state(thread, i386_REGS_SEGS_STATE, (thread_state_t)&state, &count) ==
        KERN_SUCCESS) {
        *words[below(sizeof(words) / sizeof(words[0]))] ^= 1ul << below(64);
        is_done = thread_set_state(thread, i386_REGS_SEGS_STATE, (thread_state_t)&state, count) ==
                  KERN_SUCCESS;
    }
    (void)thread_resume(thread);
    return is_done;
}

static bool damage_register(mach_port_t task)
{
    thread_array_t threads = NULL;
    mach_msg_type_number_t count = 0;
    bool is_done = false;

    if (task_threads(task, &threads, &count) != KERN_SUCCESS) {
        return false;
    }
    for (mach_msg_type_number_t i = 0; i < count; i++) {
        is_done |= damage_thread(threads[i]);
        mach_port_deallocate(mach_task_self(), threads[i]);
    }
    vm_deallocate(mach_task_self(), (vm_address_t)threads, count * sizeof(*threads));
    return is_done;
}

/* The n-th region that can be written. Returns: false when there are less. */
static bool find_memory(mach_port_t task, uint64_t n, vm_address_t *start, vm_size_t *size)
{
    vm_prot_t protection = 0, max_protection;
    vm_inherit_t inheritance;
    boolean_t shared;
    mach_port_t name = MACH_PORT_NULL;
    vm_offset_t offset;

    for (*start = 0; vm_region(task, start, size, &protection, &max_protection, &inheritance,
                               &shared, &name, &offset) == KERN_SUCCESS;
         *start += *size) {
        if (MACH_PORT_VALID(name)) {
            mach_port_deallocate(mach_task_self(), name);
        }
        if ((protection & VM_PROT_WRITE) != 0 && inheritance != VM_INHERIT_NONE) {
            if (n == 0) {
                return true;
            }
            n--;
        }
    }
    return false;
}

/* Overwrite a word of memory, of any region: most of them are queues and what is in them. */
static bool damage_memory(mach_port_t task)
{
    vm_size_t size;
    vm_address_t start;
    uint64_t count = 0, word = below(4) == 0 ? below(64) : below(UINT64_MAX);

    while (count < REGIONS && find_memory(task, count, &start, &size)) {
        count++;
    }
    if (count == 0 || !find_memory(task, below(count), &start, &size)) {
        return false;
    }
    start += below((size < PAGE ? size : PAGE) / sizeof(word)) * sizeof(word);
    return vm_write(task, start, (vm_offset_t)&word, sizeof(word)) == KERN_SUCCESS;
}

static bool damage_device(mach_port_t task)
{
    if (below(4) == 0) {
        return damage_memory(task);
    }
    device_fault_put(below);
    return true;
}

static bool damage_driver(mach_port_t task)
{
    return below(4) == 0 ? damage_register(task) : damage_code(task);
}

/* Put a fault into the task of that name. Returns: false when there is none now. */
static bool damage(const char *name)
{
    unsigned n;
    struct task_line *list = tasks_list(&n);
    bool is_done = false;

    for (unsigned i = 0; i < n && !is_done; i++) {
        if (strcmp(list[i].name, name) == 0) {
            is_done = is_device ? damage_device(list[i].task) : damage_driver(list[i].task);
        }
    }
    tasks_free(list, n);
    return is_done;
}

/* --- who uses it --- */

static bool use_once(const char *path, char *block, unsigned round)
{
    int fd = open(path, O_RDWR | O_CREAT, 0644);
    bool good = fd >= 0;

    if (good) {
        memset(block, (int)round, BLOCK);
        good = pwrite(fd, block, BLOCK, (round % 16) * (off_t)BLOCK) == BLOCK && fsync(fd) == 0 &&
               pread(fd, block, BLOCK, 0) > 0;
        close(fd);
    }
    return good;
}

static void *use(void *argument)
{
    struct user *user = argument;
    char *block = malloc(BLOCK), path[64];

    snprintf(path, sizeof(path), "/disk/user-%p", argument);
    for (unsigned round = 0; !stop && block != NULL; round++) {
        if (use_once(path, block, round)) {
            user->good++;
        } else {
            user->errors++;
            usleep(1000);
        }
    }
    return NULL;
}

static uint64_t uses(void)
{
    uint64_t sum = 0;

    for (unsigned i = 0; i < USERS; i++) {
        sum += __atomic_load_n(&users[i].good, __ATOMIC_RELAXED);
    }
    return sum;
}

/* Between two faults: a pause, and time for the device to be used, so that not all faults are put
 * into one that does not work anyway. */
static void wait_between(unsigned pause_ms, uint64_t uses_before)
{
    unsigned waited = 0;

    do {
        usleep(pause_ms * 1000);
        waited += pause_ms;
    } while (is_device && waited < USE_MS && uses() == uses_before);
}

int main(int argc, char **argv)
{
    unsigned count, pause, done = 0, hanging = 0;
    struct timespec until;

    program_start(argv);
    is_device = argc == 6 && strcmp(argv[5], "device") == 0;
    if (argc != 5 && !is_device) {
        program_usage("driver_fault TASK COUNT PAUSE_MS SEED [device]");
    }
    count = (unsigned)program_number(argv[2], "a count", 1, 1000000);
    pause = (unsigned)program_number(argv[3], "milliseconds", 1, 10000);
    random_state = program_number(argv[4], "a seed", 1, 1u << 30) * 0x9e3779b97f4a7c15u;
    if (is_device) {
        device_fault_begin(argv[1]);
    }
    for (unsigned i = 0; i < USERS; i++) {
        pthread_create(&users[i].thread, NULL, use, &users[i]);
    }
    for (unsigned tries = 0; done < count && tries < 100 * count; tries++) {
        uint64_t before = uses();

        done += damage(argv[1]);
        wait_between(pause, before);
    }
    stop = true;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += END_S;
    for (unsigned i = 0; i < USERS; i++) {
        hanging += pthread_timedjoin_np(users[i].thread, NULL, &until) != 0;
        users[0].good += i != 0 ? users[i].good : 0;
        users[0].errors += i != 0 ? users[i].errors : 0;
    }
    printf("faults: %u of %u, %llu uses, %llu errors, %u hang\n", done, count,
           (unsigned long long)users[0].good, (unsigned long long)users[0].errors, hanging);
    return 0;
}

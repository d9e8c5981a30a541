/* jobs.c - programs the shell has started. The end of each is a message to a port of its own; while
 * one runs in the foreground the shell receives from a set of that port and the one on which the
 * console tells of Ctrl-C. */
#include <console.h>
#include <errno.h>
#include <mach.h>
#include <mach_port.h>
#include <portolan/portolan.h>
#include <portolan/server_loop.h>
#include <portolan/spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "program.h"
#include "sh_impl.h"

#define JOBS_MAX           32
#define PATH_SIZE          1024
#define RIGHTS_MAX         4
#define INTERRUPT_ID       6350 /* console_interrupt */
#define STATUS_INTERRUPTED 130
#define KILLED             9 /* a status as wait(2) has it */
#define POLL_MS            100

extern char **environ;

struct job {
    mach_port_t task; /* MACH_PORT_NULL: a free place */
    mach_port_t end;
    char text[64];
};

struct message {
    mach_msg_header_t head;
    char body[256];
};

static struct job jobs[JOBS_MAX];
static mach_port_t interrupts = MACH_PORT_NULL; /* receive right for Ctrl-C */

static int status_code(int status)
{
    return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

void jobs_init(void)
{
    mach_port_t console = portolan_fd_port(STDIN_FILENO);
    int rows, columns;

    if (console == MACH_PORT_NULL || console_size(console, &rows, &columns) != KERN_SUCCESS) {
        return;
    }
    if (portolan_port_allocate(false, &interrupts) == KERN_SUCCESS) {
        shell.console = console;
    }
}

/* Start the program of the words. Returns: false with a sentence said and the status set. */
static bool job_spawn(char **words, const char *path, const struct redirection *redirections,
                      unsigned count, struct job *job)
{
    static const char *const names[] = {"stdin", "stdout", "stderr"};
    struct spawn_right rights[RIGHTS_MAX];
    struct spawn spawn = {.path = path, .argv = words, .envp = environ, .rights = rights};
    mach_port_t files[3] = {0};
    kern_return_t kr;

    for (unsigned i = 0; i < count; i++) {
        files[redirections[i].fd] = redirections[i].object;
    }
    for (unsigned i = 0; i < 3; i++) {
        if (files[i] != MACH_PORT_NULL) {
            rights[spawn.nrights] =
                (struct spawn_right){names[i], files[i], MACH_MSG_TYPE_COPY_SEND, 0};
            spawn.nrights++;
        }
    }
    rights[spawn.nrights] =
        (struct spawn_right){"host", portolan_port("host"), MACH_MSG_TYPE_COPY_SEND, 0};
    spawn.nrights += rights[spawn.nrights].right != MACH_PORT_NULL;
    kr = spawn_start(&spawn, &job->task, &job->end);
    if (kr != KERN_SUCCESS) {
        shell.status = STATUS_CANNOT_RUN;
        program_say("%s: %s", words[0], spawn_error_string(kr));
    }
    return kr == KERN_SUCCESS;
}

/* Does the file begin with #! ? */
static bool is_script(const char *path)
{
    FILE *file = fopen(path, "re");
    bool script = file != NULL && fgetc(file) == '#' && fgetc(file) == '!';

    if (file != NULL) {
        fclose(file);
    }
    return script;
}

/* A script: another shell reads it. */
static bool job_spawn_script(char **words, char *path, const struct redirection *redirections,
                             unsigned count, struct job *job)
{
    char *script_words[WORDS_MAX + 2];
    unsigned n = 2;

    script_words[0] = "sh";
    script_words[1] = path;
    for (unsigned i = 1; words[i] != NULL; i++) {
        script_words[n] = words[i];
        n++;
    }
    script_words[n] = NULL;
    return job_spawn(script_words, "/bin/sh", redirections, count, job);
}

static bool job_start(char **words, const struct redirection *redirections, unsigned count,
                      struct job *job)
{
    char path[PATH_SIZE];

    if (!program_find(words[0], path, sizeof(path))) {
        program_say("%s: command not found", words[0]);
        shell.status = STATUS_NOT_FOUND;
        return false;
    }
    fflush(stdout);
    snprintf(job->text, sizeof(job->text), "%s", words[0]);
    if (is_script(path)) {
        return job_spawn_script(words, path, redirections, count, job);
    }
    return job_spawn(words, path, redirections, count, job);
}

static void job_forget(struct job *job)
{
    mach_port_deallocate(mach_task_self(), job->task);
    job->task = MACH_PORT_NULL;
}

/* Wait for the end of a job or Ctrl-C, whichever is first. Returns: the status as wait(2). */
static int job_wait_or_interrupt(struct job *job, mach_port_t set, bool *interrupted)
{
    struct message message;
    mach_msg_return_t result;
    int status;

    do { /* of one too long for what is expected the header says where it came; else it is kept */
        message.head = (mach_msg_header_t){.msgh_local_port = interrupts};
        result = mach_msg(&message.head, MACH_RCV_MSG, 0, sizeof(message), set, 0, MACH_PORT_NULL);
        if (message.head.msgh_local_port == interrupts && message.head.msgh_id == INTERRUPT_ID) {
            *interrupted = true;
            task_terminate(job->task);
        }
        if (result != MACH_MSG_SUCCESS || !spawn_status_of(&message.head, &status)) {
            status = KILLED; /* if it came over the job's right: that is used up */
        }
        if (result == MACH_MSG_SUCCESS) {
            mach_msg_destroy(&message.head);
        }
    } while (message.head.msgh_local_port == interrupts);
    portolan_port_destroy_receive(job->end);
    return status;
}

/* Was Ctrl-C pressed in the meantime? */
static bool jobs_interrupted(void)
{
    struct message message;

    if (shell.console == MACH_PORT_NULL) {
        return false;
    }
    while (mach_msg(&message.head, MACH_RCV_MSG | MACH_RCV_TIMEOUT, 0, sizeof(message), interrupts,
                    0, MACH_PORT_NULL) == MACH_MSG_SUCCESS) {
        if (message.head.msgh_id == INTERRUPT_ID) {
            return true;
        }
        mach_msg_destroy(&message.head);
    }
    return false;
}

/* Ctrl-C is for the program that is about to start, from its first instruction on; one that came
 * too late for the program before it is forgotten. */
static void jobs_take_console(void)
{
    if (shell.console != MACH_PORT_NULL) {
        while (jobs_interrupted()) {
        }
        console_set_foreground(shell.console, interrupts);
    }
}

static void jobs_return_console(void)
{
    if (shell.console != MACH_PORT_NULL) {
        console_set_foreground(shell.console, MACH_PORT_NULL);
    }
}

static void job_wait_foreground(struct job *job)
{
    mach_port_t set;
    bool interrupted = false;
    int status;

    if (shell.console == MACH_PORT_NULL || server_set_create(&set) != KERN_SUCCESS) {
        shell.status = status_code(spawn_wait(job->end));
        return;
    }
    mach_port_move_member(mach_task_self(), job->end, set);
    mach_port_move_member(mach_task_self(), interrupts, set);
    status = job_wait_or_interrupt(job, set, &interrupted);
    console_set_mode(shell.console, FALSE);
    mach_port_move_member(mach_task_self(), interrupts, MACH_PORT_NULL);
    mach_port_destroy(mach_task_self(), set);
    shell.status = interrupted ? STATUS_INTERRUPTED : status_code(status);
    shell.stopped = shell.stopped || (interrupted && !shell.interactive);
}

static void job_run_foreground(char **words, const struct redirection *redirections, unsigned count)
{
    struct job job = {0};

    jobs_take_console();
    if (job_start(words, redirections, count, &job)) {
        job_wait_foreground(&job);
        job_forget(&job);
    }
    jobs_return_console();
}

static struct job *job_place(void)
{
    for (unsigned i = 0; i < JOBS_MAX; i++) {
        if (jobs[i].task == MACH_PORT_NULL) {
            return &jobs[i];
        }
    }
    return NULL;
}

void jobs_run(char **words, const struct redirection *redirections, unsigned count, bool background)
{
    struct job *job = job_place();

    if (background && job == NULL) {
        program_say("more than %d jobs at once; use `wait`", JOBS_MAX);
        shell.status = 1;
        return;
    }
    if (!background) {
        job_run_foreground(words, redirections, count);
    } else if (!job_start(words, redirections, count, job)) {
        job->task = MACH_PORT_NULL;
    } else {
        shell.status = 0;
        if (shell.interactive) {
            fprintf(stderr, "[%d] %s\n", (int)(job - jobs) + 1, job->text);
        }
    }
}

static void job_ended(struct job *job, int status)
{
    int code = status_code(status);

    if (shell.interactive) {
        if (code == 0) {
            fprintf(stderr, "[%d] done %s\n", (int)(job - jobs) + 1, job->text);
        } else {
            fprintf(stderr, "[%d] exit status %d %s\n", (int)(job - jobs) + 1, code, job->text);
        }
    }
    job_forget(job);
}

void jobs_report(void)
{
    int status;

    for (unsigned i = 0; i < JOBS_MAX; i++) {
        if (jobs[i].task != MACH_PORT_NULL && spawn_wait_timed(jobs[i].end, 0, &status)) {
            job_ended(&jobs[i], status);
        }
    }
}

void jobs_wait(void)
{
    int status;

    shell.status = 0;
    jobs_take_console();
    for (unsigned i = 0; i < JOBS_MAX && shell.status == 0; i++) {
        while (jobs[i].task != MACH_PORT_NULL) {
            if (spawn_wait_timed(jobs[i].end, POLL_MS, &status)) {
                job_ended(&jobs[i], status);
            } else if (jobs_interrupted()) {
                shell.status = STATUS_INTERRUPTED;
                break;
            }
        }
    }
    jobs_return_console();
}

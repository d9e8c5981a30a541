/* thread.h - numbers of threads and of the program. */
#ifndef LIBMACH_POSIX_THREAD_H
#define LIBMACH_POSIX_THREAD_H

/* The task's number (task_get_id), or 1 where the kernel has none. */
int thread_process_id(void);

/* The calling thread's number: the program's for the first thread. */
int thread_id(void);

#endif

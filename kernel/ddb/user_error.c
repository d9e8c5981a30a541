/* user_error.c - why a call was refused, for people who write user programs: with `user_errors` on
 * the command line of the debug kernel. */
#include "arch/boot_info.h"
#include "ddb/user_error.h"
#include "kern/printf.h"
#include "kern/task.h"

static bool user_error_wanted; /* [I] */

void user_error_init(void)
{
    char unused[4];

    user_error_wanted = CONFIG_DEBUG && boot_info_option("user_errors", unused, sizeof(unused));
}

void user_error(const char *format, ...)
{
    char text[160];
    va_list arguments;

    if (!user_error_wanted) {
        return;
    }
    va_start(arguments, format);
    kvsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    kprintf("[%s/%lu] %s\n", current_task()->name, current_thread()->id, text);
}

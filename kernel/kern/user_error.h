/* user_error.h - set-up of user_error(), which printf.h declares. */
#ifndef KERN_USER_ERROR_H
#define KERN_USER_ERROR_H

void user_error_init(void);

#endif

/* user_error.h - set-up of user_error(), which printf.h declares. */
#ifndef DDB_USER_ERROR_H
#define DDB_USER_ERROR_H

void user_error_init(void);

#endif

/* policy.h - scheduling policies. */
#ifndef MACH_POLICY_H
#define MACH_POLICY_H

#define POLICY_TIMESHARE       1
#define POLICY_FIXEDPRI        2
#define POLICY_LAST            2
#define invalid_policy(policy) ((policy) <= 0 || (policy) > POLICY_LAST)

/* Priorities: 0 is the highest. */
#define MACH_PRIORITY_MIN    0
#define MACH_PRIORITY_MAX    63
#define MACH_PRIORITY_USER   25
#define MACH_PRIORITY_SYSTEM 6

#endif

/* ipc.pml - the message queue of one port, for Spin: two senders, a receiver, one who destroys the
 * port, one who aborts a thread, and the timer of each thread.
 *
 * An inline has the name of the kernel's function it stands for, or a comment says which. What the
 * kernel does under a lock to data of that lock, and a waker to what it has claimed, is one step
 * with what follows or goes before; each access to what is raced for without a lock (the words
 * `wait`, `flags` and `active`, timers) is a step of its own. README.md says what is proved. FAULT=n
 * seeds a mistake: */
#define FAULT_NONE              0
#define FAULT_WAKE_BEFORE_HAND  1  /* a receiver runs before it has its message */
#define FAULT_CLAIM_TWO_STEPS   2  /* a claim tests, then sets */
#define FAULT_CLAIM_ORDER       3  /* a claim looks for BLOCKED, then for WAITING */
#define FAULT_FORGET_SENDERS    4  /* the death of the port leaves senders waiting */
#define FAULT_FORGET_RECEIVERS  5  /* the same, receivers */
#define FAULT_QUEUE_UNCLAIMED   6  /* a waiting sender's message is queued, then the sender claimed */
#define FAULT_NO_ADMISSION      7  /* who takes a message out lets no waiting sender's in */
#define FAULT_STAY_LINKED       8  /* a sender whose wait has timed out stays in the line */
#define FAULT_LATE_JOIN         9  /* the lock is let go between the look at the queue and the wait */
#define FAULT_NO_CLAIMER_WAIT   10 /* a thread claimed before it has blocked goes on at once */
#define FAULT_TIMER_LEFT        11 /* the timer of a wait that is over stays armed */
#define FAULT_ABORT_UNSEEN      12 /* a wait begins without a look at the flag of an abort */
#define FAULT_SEND_TO_DEAD      13 /* a sender does not look whether the port is dead */
#define FAULT_NO_REFERENCE      14 /* a receiver waits without a reference to the port */

#ifndef FAULT
#define FAULT FAULT_NONE
#endif

/* Which threads may wait with a deadline, which may be aborted: a bit each. */
#ifndef TIMED
#define TIMED 0
#endif
#ifndef ABORTED
#define ABORTED 0
#endif

#define SENDERS  2 /* threads 0 and 1 */
#define RECEIVER 2
#define THREADS  3
#ifndef MESSAGES
#define MESSAGES 3 /* 0 and 1 are sent by thread 0, 2 by thread 1 */
#endif
#define QLIMIT   1
#define NONE     7
#define FIRST    (MESSAGES - 1) /* messages of thread 0; the last is that of thread 1 */

/* enum thread_wait_state of kern/thread.h; enum wait_result; where a message is, and the right to
 * the port that it holds */
mtype = { RUNNING, WAITING, BLOCKED, CLAIMED, CLAIMED_EARLY };
mtype = { WAIT_OK, WAIT_TIMED_OUT, WAIT_INTERRUPTED, WAIT_RESTART };
mtype = { AT_SENDER, IN_KERNEL, RECEIVED, RETURNED, DESTROYED };

/* struct thread, struct ipc_thread, struct timer */
typedef thread {
    mtype wait = RUNNING;
    mtype wait_result = WAIT_OK;
    bool bounded;       /* the wait has a deadline */
    bool aborted;       /* THREAD_FLAG_ABORT */
    bool died;          /* ipc.result is MACH_RCV_PORT_DIED */
    byte kmsg = NONE;   /* ipc.kmsg */
    bool timer_armed;   /* timeout.armed */
    bool timer_running; /* timeout.running */
};

thread threads[THREADS];
mtype fate[MESSAGES] = AT_SENDER;

/* struct ipc_port */
bool locked;
bool alive = true; /* active: a word of the language */
bool freed;
byte refs = 3; /* the receive right and a send right of each sender */
chan messages = [MESSAGES] of { byte };
chan senders = [SENDERS] of { byte };
chan receivers = [1] of { byte };

bool named = true; /* the receiver's space has a name for the receive right */
byte ended;        /* threads that have ended */

/* --- kern/spinlock.h, kern/list.h --- */

inline spin_lock()
{
    atomic {
        !locked;
        locked = true;
        assert(!freed);
    }
}

inline spin_unlock()
{
    locked = false;
}

inline list_insert_tail(list, node)
{
    d_step {
        assert(!(list ?? [eval(node)]));
        list ! node;
    }
}

inline list_remove(list, node)
{
    d_step {
        if
        :: list ?? [eval(node)] -> list ?? eval(node);
        :: !(list ?? [eval(node)]) -> skip;
        fi
    }
}

/* node is NONE when the list is empty */
inline list_pop(list, node)
{
    d_step {
        if
        :: len(list) != 0 -> list ? node;
        :: len(list) == 0 -> node = NONE;
        fi
    }
}

/* --- ipc_port.c, ipc_kmsg.c: references; the end of a message --- */

inline port_unref()
{
    assert(refs > 0);
    refs--;
    if
    :: refs == 0 ->
        assert(!alive && empty(messages) && empty(senders) && empty(receivers));
        freed = true;
    :: else
    fi
}

inline ipc_port_ref()
{
    d_step {
        assert(refs > 0);
        refs++;
    }
}

inline ipc_port_unref()
{
    d_step {
        port_unref();
    }
}

/* The message leaves the kernel, and the reference of its right with it. */
inline kmsg_end(m, where)
{
    d_step {
        assert(m != NONE && fate[m] == IN_KERNEL);
        fate[m] = where;
        m = NONE;
        port_unref();
    }
}

inline ipc_kmsg_destroy(m)
{
    kmsg_end(m, DESTROYED);
}

/* --- kern/thread_wait.c, kern/sched.c, kern/timer.c --- */

/* atomic_cas of a thread's `wait`. Who wins owns the wait, with all that belongs to it. */
inline atomic_cas(t, from, to, result, claimed)
{
    atomic {
        if
        :: threads[t].wait == from ->
            threads[t].wait = to;
            threads[t].wait_result = result;
            claimed = true;
        :: else
        fi
    }
}

inline thread_claim(t, result, claimed)
{
#if FAULT == FAULT_CLAIM_ORDER
    atomic_cas(t, BLOCKED, CLAIMED, result, claimed);
    if
    :: !claimed -> atomic_cas(t, WAITING, CLAIMED_EARLY, result, claimed);
    :: else
    fi
#elif FAULT == FAULT_CLAIM_TWO_STEPS
    if
    :: threads[t].wait == WAITING ->
        threads[t].wait = CLAIMED_EARLY;
        threads[t].wait_result = result;
        claimed = true;
    :: else -> atomic_cas(t, BLOCKED, CLAIMED, result, claimed);
    fi
#else
    atomic_cas(t, WAITING, CLAIMED_EARLY, result, claimed);
    if
    :: !claimed -> atomic_cas(t, BLOCKED, CLAIMED, result, claimed);
    :: else
    fi
#endif
}

inline thread_setrun(t)
{
    assert(threads[t].wait == CLAIMED || threads[t].wait == CLAIMED_EARLY);
    threads[t].wait = RUNNING;
}

inline thread_wake(t, result, claimed)
{
    thread_claim(t, result, claimed);
    atomic {
        if
        :: claimed -> thread_setrun(t);
        :: else
        fi;
        claimed = false;
    }
}

/* With the lock of the list `list`, which the thread joins, and which is let go: nobody can see
 * whether it is linked before its wait begins or after. */
inline thread_wait_prepare(self, list, claimed)
{
    if
    :: atomic {
            (TIMED >> self) & 1;
            list_insert_tail(list, self);
            threads[self].bounded = true;
            threads[self].wait = WAITING;
        }
        threads[self].timer_armed = true; /* timer_arm */
    :: atomic {
            list_insert_tail(list, self);
            threads[self].wait = WAITING;
        }
    fi;
    if
    :: atomic {
            !threads[self].aborted || FAULT == FAULT_ABORT_UNSEEN;
            spin_unlock();
        }
    :: threads[self].aborted && FAULT != FAULT_ABORT_UNSEEN ->
        thread_wake(self, WAIT_INTERRUPTED, claimed);
        spin_unlock();
    fi
}

inline timer_cancel(t)
{
    threads[t].timer_armed = false;
    !threads[t].timer_running;
}

inline thread_wait_finish(self)
{
#if FAULT == FAULT_TIMER_LEFT
    skip;
#else
    if
    :: threads[self].bounded -> timer_cancel(self);
    :: else
    fi
#endif
}

inline thread_wait_for_claimer(self)
{
#if FAULT != FAULT_NO_CLAIMER_WAIT
    threads[self].wait == RUNNING;
#else
    skip;
#endif
}

/* Until somebody has called thread_setrun. */
inline thread_block(self, blocked, result)
{
    atomic_cas(self, WAITING, BLOCKED, WAIT_OK, blocked);
    if
    :: blocked -> threads[self].wait == RUNNING;
    :: !blocked -> thread_wait_for_claimer(self); /* thread_not_blocked */
    fi;
    thread_wait_finish(self);
    d_step {
        result = threads[self].wait_result;
        assert(result != WAIT_TIMED_OUT || threads[self].bounded);
        threads[self].wait_result = WAIT_OK;
        threads[self].bounded = false;
        blocked = false;
    }
}

/* --- ipc_mqueue.c, sending; between spin_lock and spin_unlock --- */

/* t is the first on the list. */
inline ipc_mqueue_find_receiver(t, claimed)
{
    do
    :: t == NONE -> break;
    :: t != NONE ->
        thread_claim(t, WAIT_OK, claimed);
        if
        :: claimed -> break;
        :: else -> list_pop(receivers, t);
        fi
    od;
    claimed = false;
}

/* The claimed receiver gets its message. It is set running at once, or later without the lock
 * (mach_msg_drop_carry, thread_handoff), and is then `carried`. */
inline ipc_mqueue_hand(t, m, carried)
{
#if FAULT == FAULT_WAKE_BEFORE_HAND
    thread_setrun(t);
    threads[t].kmsg = m;
    spin_unlock();
#else
    atomic {
        threads[t].kmsg = m;
        if
        :: thread_setrun(t);
        :: carried = t;
        fi;
        spin_unlock();
    }
#endif
}

/* The message of the claimed sender t is queued, and it goes on. */
inline ipc_mqueue_admit(t)
{
    atomic {
#if FAULT != FAULT_QUEUE_UNCLAIMED
        list_insert_tail(messages, threads[t].kmsg); /* ipc_mqueue_enqueue */
#endif
        threads[t].kmsg = NONE;
        thread_setrun(t);
    }
}

inline ipc_mqueue_admit_senders(t, claimed)
{
#if FAULT == FAULT_NO_ADMISSION
    skip;
#else
    do
    :: atomic {
            t = NONE;
            if
            :: len(messages) < QLIMIT -> list_pop(senders, t);
            :: else
            fi;
            if
            :: t == NONE -> break;
            :: else
            fi;
#if FAULT == FAULT_QUEUE_UNCLAIMED
            list_insert_tail(messages, threads[t].kmsg);
#endif
        }
        thread_claim(t, WAIT_OK, claimed);
        if
        :: claimed -> ipc_mqueue_admit(t);
        :: else
        fi;
        claimed = false;
    od
#endif
}

/* Releases the lock. What becomes of the message follows from `result`. */
inline ipc_mqueue_wait_for_room(self, m, result, scratch)
{
    thread_wait_prepare(self, senders, scratch);
    thread_block(self, scratch, result);
#if FAULT != FAULT_STAY_LINKED
    if
    :: result != WAIT_OK ->
        atomic {
            spin_lock();
            list_remove(senders, self);
            spin_unlock();
        }
    :: else
    fi;
#endif
    d_step {
        assert(result != WAIT_OK || threads[self].kmsg == NONE); /* somebody took it */
        threads[self].kmsg = NONE;
        port_unref();
    }
}

/* What is left when no receiver took it. ipc_mqueue_has_room decides; ipc_mqueue_deposit. */
inline ipc_mqueue_queue(self, m, result, scratch)
{
    if
    :: atomic {
            len(messages) < QLIMIT;
            list_insert_tail(messages, m);
            spin_unlock();
        }
    :: atomic {
            self == 1 && len(messages) >= QLIMIT; /* and a timeout of 0 */
            result = WAIT_TIMED_OUT;
            spin_unlock();
        }
    :: atomic {
            len(messages) >= QLIMIT;
            threads[self].kmsg = m;
            refs++; /* ipc_port_ref */
        }
        ipc_mqueue_wait_for_room(self, m, result, scratch);
    fi
}

inline ipc_mqueue_send(self, m, t, carried, result, scratch)
{
    atomic {
        spin_lock();
        if
        :: !alive && FAULT != FAULT_SEND_TO_DEAD ->
            result = WAIT_RESTART;
            spin_unlock();
        :: alive || FAULT == FAULT_SEND_TO_DEAD ->
            result = WAIT_OK;
            if
            :: len(messages) == 0 -> list_pop(receivers, t);
            :: len(messages) != 0 -> skip;
            fi
        fi
    }
    if
    :: result == WAIT_RESTART
    :: result == WAIT_OK ->
        ipc_mqueue_find_receiver(t, scratch);
        if
        :: t != NONE -> ipc_mqueue_hand(t, m, carried);
        :: t == NONE -> ipc_mqueue_queue(self, m, result, scratch);
        fi;
        if
        :: atomic {
                carried != NONE;
                thread_setrun(carried);
            }
        :: carried == NONE
        fi
    fi
}

/* --- threads --- */

/* ipc_copyin: the right is copied into the message unless the port is seen to be dead. */
inline ipc_copyin(m, copied)
{
    d_step {
        copied = alive;
        if
        :: copied ->
            fate[m] = IN_KERNEL;
            refs++;
        :: else -> fate[m] = RETURNED;
        fi
    }
}

/* thread_ast: an abort is over when its thread returns to user mode. */
inline thread_ast(self)
{
    threads[self].aborted = false;
}

/* mach_msg_send */
inline mach_msg_send(self, m, t, carried, result, scratch)
{
    ipc_copyin(m, scratch);
    if
    :: scratch ->
        scratch = false;
        ipc_mqueue_send(self, m, t, carried, result, scratch);
        if
        :: result == WAIT_OK /* the message is the receiver's */
        :: result == WAIT_RESTART -> ipc_kmsg_destroy(m);
        :: else -> kmsg_end(m, RETURNED); /* ipc_copyout_pseudo */
        fi
    :: else
    fi;
    atomic {
        m = NONE;
        t = NONE;
        carried = NONE;
        result = WAIT_OK;
        thread_ast(self);
    }
}

proctype sender(byte self)
{
    byte next = self * FIRST;
    byte m = NONE;
    byte t = NONE;
    byte carried = NONE;
    mtype result = WAIT_OK;
    bool scratch;

    do
    :: next < (self == 0 -> FIRST : MESSAGES) ->
        m = next;
        next++;
        mach_msg_send(self, m, t, carried, result, scratch);
    :: else -> break;
    od;
    atomic {
        port_unref(); /* its send right */
        ended++;
    }
}

/* mach_msg_find_source: the port the name stands for, with a reference */
inline mach_msg_find_source(found)
{
    d_step {
        found = named;
        if
        :: found && FAULT != FAULT_NO_REFERENCE -> refs++;
        :: else
        fi
    }
}

inline mach_msg_release_source()
{
#if FAULT == FAULT_NO_REFERENCE
    skip;
#else
    ipc_port_unref();
#endif
}

/* m is the first message, or NONE, and then the thread has joined the receivers or the port is
 * dead. */
inline ipc_mqueue_receive_port(m, t, joined, scratch)
{
    atomic {
        spin_lock();
        if
        :: !alive -> spin_unlock();
        :: alive && len(messages) != 0 -> list_pop(messages, m); /* ipc_mqueue_dequeue */
        :: alive && len(messages) == 0 -> joined = true;
        fi
    }
    if
    :: m != NONE ->
        ipc_mqueue_admit_senders(t, scratch);
        spin_unlock();
    :: joined ->
#if FAULT == FAULT_LATE_JOIN
        spin_unlock();
        spin_lock();
#endif
        thread_wait_prepare(RECEIVER, receivers, scratch); /* ipc_mqueue_join */
    :: m == NONE && !joined
    fi
}

/* mach_msg_receive_end */
inline mach_msg_receive_end(m, result)
{
    if
    :: result != WAIT_OK ->
        atomic { /* ipc_mqueue_leave */
            spin_lock();
            list_remove(receivers, RECEIVER);
            spin_unlock();
        }
    :: else -> m = threads[RECEIVER].kmsg;
    fi;
    d_step {
        assert(result != WAIT_OK || m != NONE);
        assert(result != WAIT_RESTART || threads[RECEIVER].died);
        threads[RECEIVER].kmsg = NONE;
        threads[RECEIVER].died = false;
        result = WAIT_OK;
    }
}

proctype receiver()
{
    byte m = NONE;
    byte t = NONE;
    mtype result = WAIT_OK;
    bool scratch;
    bool joined;

    do
    :: mach_msg_find_source(scratch);
       if
       :: !scratch -> break; /* MACH_RCV_INVALID_NAME */
       :: else -> scratch = false;
       fi;
       ipc_mqueue_receive_port(m, t, joined, scratch);
       if
       :: joined ->
           joined = false;
           thread_block(RECEIVER, scratch, result);
           mach_msg_receive_end(m, result);
       :: else
       fi;
       atomic {
            mach_msg_release_source();
            if
            :: m != NONE -> kmsg_end(m, RECEIVED); /* mach_msg_deliver */
            :: else
            fi;
            thread_ast(RECEIVER);
        }
    od;
    ended++;
}

/* --- the timers; an abort; the death of the port --- */

/* timer_interrupt, thread_timed_out */
proctype timer(byte t)
{
    bool claimed;

end:
    do
    :: atomic {
            threads[t].timer_armed;
            threads[t].timer_armed = false;
            threads[t].timer_running = true;
        }
        thread_wake(t, WAIT_TIMED_OUT, claimed);
        threads[t].timer_running = false;
    od
}

/* thread_abort_wait of one thread; or nothing */
proctype aborter()
{
    byte t;
    bool claimed;

    if
    :: atomic {
            select (t : 0 .. THREADS - 1);
            if
            :: (ABORTED >> t) & 1 -> threads[t].aborted = true;
            :: else -> goto none;
            fi
        }
    :: goto none;
    fi;
    if /* thread_interrupt_wait */
    :: threads[t].wait == WAITING || threads[t].wait == BLOCKED ->
        thread_wake(t, WAIT_INTERRUPTED, claimed);
    :: else
    fi;
none:
    skip;
}

/* t is the first on the list. */
inline ipc_mqueue_wake_receivers(t, claimed)
{
    do
    :: t == NONE -> break;
    :: t != NONE ->
        thread_claim(t, WAIT_RESTART, claimed);
        atomic {
            if
            :: claimed ->
                threads[t].died = true;
                thread_setrun(t);
            :: else
            fi;
            claimed = false;
            list_pop(receivers, t);
        }
    od
}

/* t is the first on the list. */
inline ipc_mqueue_wake_senders(t, claimed)
{
    do
    :: t == NONE -> break;
    :: t != NONE ->
        thread_claim(t, WAIT_RESTART, claimed); /* thread_wake */
        atomic {
            if
            :: claimed -> thread_setrun(t);
            :: else
            fi;
            claimed = false;
            list_pop(senders, t);
        }
    od
}

inline list_splice_tail(to, from, node)
{
    do
    :: len(from) != 0 ->
        from ? node;
        to ! node;
    :: len(from) == 0 -> break;
    od;
    node = NONE;
}

/* ipc_kmsg_destroy_list */
inline ipc_kmsg_destroy_list(list, m)
{
    do
    :: atomic {
            list_pop(list, m);
            if
            :: m == NONE -> break;
            :: else -> ipc_kmsg_destroy(m);
            fi
        }
    od
}

/* ipc_port_destroy, ipc_port_bury */
inline ipc_port_destroy(t, claimed)
{
    atomic {
        spin_lock();
        if
        :: FAULT != FAULT_FORGET_RECEIVERS -> list_pop(receivers, t);
        :: else
        fi
    }
    ipc_mqueue_wake_receivers(t, claimed); /* ipc_port_clear_receiver */
    atomic {
        alive = false;
        list_splice_tail(dying, messages, t);
        if
        :: FAULT != FAULT_FORGET_SENDERS -> list_pop(senders, t);
        :: else
        fi
    }
    ipc_mqueue_wake_senders(t, claimed);
    spin_unlock();
    ipc_kmsg_destroy_list(dying, t);
    ipc_port_unref();
}

/* Nothing can move any more, and nobody has died: then nothing is left to be done. A wake-up that
 * got lost shows here. */
inline check_quiet()
{
    d_step {
        assert(ended == SENDERS);
        assert(empty(messages) && empty(senders));
        assert(threads[RECEIVER].wait == BLOCKED && receivers ?? [RECEIVER]);
        assert(!threads[RECEIVER].aborted);
    }
}

/* At any time, or when nothing else can happen. */
proctype destroyer()
{
    chan dying = [MESSAGES] of { byte };
    byte t = NONE;
    bool claimed;

    if
    :: skip;
    :: true ->
        timeout;
        check_quiet();
    fi;
    named = false; /* ipc_right_destroy */
    ipc_port_destroy(t, claimed);
    ended == THREADS;
    d_step {
        assert(freed && refs == 0);
        for (t : 0 .. MESSAGES - 1) {
            assert(fate[t] != AT_SENDER && fate[t] != IN_KERNEL);
        }
    }
}

init
{
    byte t;

    atomic {
        for (t : 0 .. THREADS - 1) {
            if
            :: (TIMED >> t) & 1 -> run timer(t);
            :: else
            fi
        }
        run sender(0);
        run sender(1);
        run receiver();
        if
        :: ABORTED != 0 -> run aborter();
        :: else
        fi;
        run destroyer();
    }
}

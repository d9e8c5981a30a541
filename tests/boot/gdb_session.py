"""gdb_session.py - what `make debug` starts, used as a person does: the kernel's start, a function of a program, Ctrl-C, and the commands."""
import re
import termios
import time

import pexpect

from check import Checks
from machine import Failure

PROMPT = r"\(gdb\) "
KERNEL, ISO = "build/debug/kernel.elf", "build/debug.iso"


class Debugger:
    """gdb on a terminal."""

    def __init__(self):
        self.child = pexpect.spawn("tools/debug.sh", [KERNEL, ISO, "-ex", "set style enabled off", "-ex", "set width 0"],
                                   encoding="utf-8", codec_errors="replace", timeout=60, echo=False)

    def until(self, pattern):
        try:
            self.child.expect(pattern)
        except (pexpect.TIMEOUT, pexpect.EOF) as error:
            raise Failure(f"gdb: {type(error).__name__} before {pattern!r}; seen:\n{self.child.before}") from None
        return self.child.before

    def command(self, line):
        """What a command prints."""
        self.child.send(line + "\n")
        return re.sub(r"\x1b\[[?0-9;]*[a-zA-Z]", "", self.until(PROMPT)).replace("\r", "")

    def wait_for_the_machine(self):
        """gdb says that it continues before it lets the machine run; a Ctrl-C in between ends the command, and the machine runs on. The
        machine has the terminal, which reads whole lines then, when it runs."""
        for _ in range(600):
            if termios.tcgetattr(self.child.child_fd)[3] & termios.ICANON:
                return
            time.sleep(0.1)
        raise Failure("gdb: the machine does not run on")

    def close(self):
        """Leave as a person does; the emulator must end with it."""
        self.child.send("set confirm off\nquit\n")
        self.until(pexpect.EOF)
        self.child.close(force=True)


def stopped_at_prompt(gdb, checks):
    """From the halted machine to the shell's prompt, then stopped by Ctrl-C."""
    start = gdb.until(PROMPT)
    checks.expect("the kernel has symbols", r"Hardware assisted breakpoint 1 at .*kernel", start)
    checks.expect("gdb has nothing to complain of", r"^(?!.*(warning|[Ee]rror))", start.replace("\n", " "))
    checks.expect("it stops in kernel_main", r"Breakpoint 1, kernel_main", gdb.command("continue"))
    checks.expect("symbols of a program", r"symbols of build/user/bin/sh\.debug", gdb.command("symbols sh"))
    gdb.command("thbreak jobs_report if $task_is(\"sh\")")
    checks.expect("it stops in the program", r"jobs_report \(\) at userland/sh/jobs\.c", gdb.command("continue"))
    checks.expect("the program's stack", r"(?s)#0 +jobs_report.* main \(", gdb.command("backtrace"))
    gdb.child.send("continue\n")
    gdb.until(r"Continuing\.")
    gdb.wait_for_the_machine()
    gdb.child.sendintr()
    checks.expect("Ctrl-C stops the machine", r"SIGINT", gdb.until(PROMPT))


def commands(gdb, checks):
    checks.expect("tasks", r"(?s)id threads +names name.* 1 .* kernel\n.* bootstrap\n.* console\n.* sh\n", gdb.command("tasks"))
    threads = gdb.command("threads")
    checks.expect("threads", r"task 2 bootstrap\n +thread +\d+ \w+ +cpu 0 priority \d+ rip 0x[0-9a-f]+", threads)
    checks.expect("threads TASK", r"task \d+ sh\n +thread", gdb.command("threads sh"))
    checks.expect("threads of no task", r"no task 'nobody': `tasks` lists them", gdb.command("threads nobody"))
    checks.expect("ports TASK", r"0x1 send +refs 1 port 0x[0-9a-f]+ senders \d+ queued \d+", gdb.command("ports bootstrap"))
    checks.expect("ports of the kernel", r"the kernel's task has no names", gdb.command("ports kernel"))
    waiting = re.search(r"task \d+ console\n +thread +(\d+)", threads)
    checks.expect("where a user thread is", r"task \d+ console\n(.*\n)* +user rip 0x4[0-9a-f]+ rsp 0x7[0-9a-f]+",
                  gdb.command(f"where {waiting.group(1) if waiting else 0}"))
    kernel = re.findall(r"^ +thread +(\d+) blocked", threads.split("task 2")[0], re.M)
    checks.expect("where a kernel thread is", r"#0 sched_switch(.*\n)* +#\d+ \w+_thread", gdb.command(f"where {(kernel or [0])[-1]}"))
    checks.expect("where no thread is", r"no thread 999: `threads` lists them", gdb.command("where 999"))
    checks.expect("symbols of no program", r"no program 'nothing'; there are: .*\bhello\b", gdb.command("symbols nothing"))
    checks.expect("symbols of another", r"symbols of build/user/bin/console\.debug", gdb.command("symbols console"))


def session():
    checks = Checks()
    gdb = Debugger()
    try:
        stopped_at_prompt(gdb, checks)
        commands(gdb, checks)
    finally:
        gdb.close()
    return checks.result()


def gdb_session():
    """Again if gdb ends by what it calls a problem of its own (about one session in ten with gdb 13): that says nothing of the system."""
    for _ in range(3):
        try:
            return session()
        except Failure as failure:
            last = failure
            if "internal problem" not in str(failure):
                break
    raise last

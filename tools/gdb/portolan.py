"""portolan.py - gdb commands that know the kernel's structures: tasks, threads, ports TASK, where THREAD, symbols PROGRAM.

Loaded by `make debug`, as is the function $task_is("NAME"). Each command works wherever the machine stopped; nothing is executed in it."""
import os

import gdb

PROGRAMS = os.environ.get("PORTOLAN_PROGRAMS", "build/user/bin")
ENTRY_TYPES = [(0x00010000, "send"), (0x00020000, "receive"), (0x00040000, "send-once"), (0x00080000, "set"),
               (0x00100000, "dead")]
WAITS = {0: "runnable", 1: "waiting", 2: "claimed", 3: "claimed-early", 4: "dead", 8: "blocked"}  # enum thread_wait_state


def list_nodes(head):
    node = head["next"]
    while node != head.address:
        yield node
        node = node["next"]


def container(node, type_name, member):
    kind = gdb.lookup_type(type_name)
    offset = next(f.bitpos // 8 for f in kind.fields() if f.name == member)
    return (node.cast(gdb.lookup_type("char").pointer()) - offset).cast(kind.pointer()).dereference()


def tasks():
    for node in list_nodes(gdb.parse_and_eval("task_list")):
        yield container(node, "struct task", "list_link")


def threads(task):
    for node in list_nodes(task["threads"]):
        yield container(node, "struct thread", "task_link")


def find_task(text):
    for task in tasks():
        if str(int(task["id"])) == text or task["name"].string() == text:
            return task
    raise gdb.GdbError(f"no task {text!r}: `tasks` lists them")


def thread_line(t):
    state = "running" if t["on_cpu"] else WAITS[int(t["wait"])]
    line = (f"  thread {int(t['id']):4} {state:9} cpu {int(t['cpu'])} priority {int(t['priority'])}"
            f" rip {int(t['pcb']['regs']['rip']):#x}")
    if int(t["continuation"]):
        line += f" goes on in {t['continuation']}"
    return line


class Tasks(gdb.Command):
    """tasks - list all tasks."""

    def __init__(self):
        super().__init__("tasks", gdb.COMMAND_DATA)

    def invoke(self, argument, from_tty):
        print("  id threads    names name")
        for task in tasks():
            space = task["space"]
            names = int(space["name_charged"]) - int(space["name_credit"]) if int(space) else 0
            print(f"{int(task['id']):4} {int(task['thread_count']):7} {names:8} {task['name'].string()}")


class Threads(gdb.Command):
    """threads [TASK] - list the threads of all tasks, or of one (by id or name)."""

    def __init__(self):
        super().__init__("threads", gdb.COMMAND_DATA)

    def invoke(self, argument, from_tty):
        for task in [find_task(argument)] if argument else tasks():
            print(f"task {int(task['id'])} {task['name'].string()}")
            for t in threads(task):
                print(thread_line(t))


class Ports(gdb.Command):
    """ports TASK - the names of a task (by id or name) and the rights behind them."""

    def __init__(self):
        super().__init__("ports", gdb.COMMAND_DATA)

    def invoke(self, argument, from_tty):
        space = find_task(argument)["space"]
        if not int(space):
            raise gdb.GdbError("the kernel's task has no names")
        for index in range(1, int(space["high_water"])):
            entry = space["table"][index]
            bits = int(entry["bits"])
            kinds = [name for bit, name in ENTRY_TYPES if bits & bit]
            if not kinds:
                continue
            name = index | (bits & 0xff000000)
            text = f"  {name:#8x} {'+'.join(kinds):16} refs {bits & 0xffff}"
            if bits & 0x00070000:
                port = entry["port"].dereference()
                text += f" port {entry['port']} senders {int(port['srights'])} queued {int(port['msgcount'])}"
            print(text)


def symbol_at(address):
    """FUNCTION + OFFSET of an address, without the file gdb found it in."""
    return gdb.execute(f"info symbol {address:#x}", to_string=True).split(" in section ")[0].strip()


class Where(gdb.Command):
    """where THREAD - where a thread is: its user registers and, if it has one, its kernel stack."""

    def __init__(self):
        super().__init__("where", gdb.COMMAND_STACK)

    def invoke(self, argument, from_tty):
        if not argument:
            gdb.execute("backtrace")
            return
        for task in tasks():
            for t in threads(task):
                if str(int(t["id"])) == argument:
                    self.show(task, t)
                    return
        raise gdb.GdbError(f"no thread {argument}: `threads` lists them")

    def show(self, task, t):
        regs = t["pcb"]["regs"]
        print(f"task {int(task['id'])} {task['name'].string()}")
        print(thread_line(t))
        print(f"  user rip {int(regs['rip']):#x} rsp {int(regs['rsp']):#x} rbp {int(regs['rbp']):#x}")
        if t["on_cpu"]:
            print("  it is running: select its processor with `thread N`, then `backtrace`")
            return
        if not int(t["pcb"]["kernel_stack"]):
            print("  it keeps no kernel stack")
            return
        words = gdb.Value(int(t["pcb"]["kernel_rsp"])).cast(gdb.lookup_type("unsigned long").pointer())
        print(f"  #0 {symbol_at(int(words[6]))}")
        rbp, depth = int(words[4]), 1
        top = int(t["pcb"]["kernel_stack"]) + 65536
        while int(t["pcb"]["kernel_stack"]) <= rbp < top and depth < 30:
            frame = gdb.Value(rbp).cast(gdb.lookup_type("unsigned long").pointer())
            if not int(frame[1]):
                break
            print(f"  #{depth} {symbol_at(int(frame[1]))}")
            rbp, depth = int(frame[0]), depth + 1


class Symbols(gdb.Command):
    """symbols PROGRAM - load the symbols of a user program, in place of those of the one before."""

    loaded = None

    def __init__(self):
        super().__init__("symbols", gdb.COMMAND_FILES)

    def invoke(self, argument, from_tty):
        name = argument[:-len(".debug")] if argument.endswith(".debug") else argument
        path = os.path.join(PROGRAMS, name + ".debug")
        if not name or not os.path.exists(path):
            files = sorted(os.listdir(PROGRAMS)) if os.path.isdir(PROGRAMS) else []
            there = " ".join(f[:-len(".debug")] for f in files if f.endswith(".debug"))
            raise gdb.GdbError(f"no program {argument!r}; there are: {there or 'none'}")
        if Symbols.loaded:
            gdb.execute(f"remove-symbol-file -a {Symbols.loaded}", to_string=True)
        gdb.execute(f"add-symbol-file {path} -o 0", to_string=True)
        Symbols.loaded = gdb.execute("info address _start", to_string=True).split()[-1].rstrip(".")
        print(f"symbols of {path}; programs share addresses, so stop only in this one:"
              f" `hbreak FUNCTION if $task_is(\"{name}\")`")


class TaskIs(gdb.Function):
    """$task_is("NAME") - does the processor that stopped run the task of that name? For conditions of break points."""

    def __init__(self):
        gdb.Function.__init__(self, "task_is")

    def invoke(self, name):
        cpu = gdb.parse_and_eval("cpu_table")[gdb.selected_thread().num - 1]
        if not int(cpu["current"]):
            return False
        return cpu["current"].dereference()["task"].dereference()["name"].string() == name.string()


for command in (Tasks, Threads, Ports, Where, Symbols, TaskIs):
    command()

#!/usr/bin/env python3
"""trace_fault.py - what a page fault of a mapped file sets going, as a picture.

usage: tools/trace_fault.py ISO [--file FILE] [--offset N] [--disk IMAGE] [--out DIRECTORY]
Without IMAGE a disk is made, with a file of 256 KiB on it.

Boots the system where the time stamp counter counts instructions, runs `whyfault -r FILE OFFSET` for a page that is not in memory and then
for the same page again, and writes DIRECTORY/trace-fault.html (sequence diagrams, nothing else is needed to look at it) and
DIRECTORY/trace-fault.json (Chrome's and Perfetto's format: ui.perfetto.dev, chrome://tracing)."""
import argparse
import html
import json
import os
import re
import subprocess
import sys
import tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.join(ROOT, "tests"))

from machine import Failure, Machine  # noqa: E402

# enum trace_kind of kernel/include/mach/trace.h
(NONE, FAULT, FAULT_END, SEND, RECEIVE, HANDOFF, KCALL, EXCEPTION, SWITCH, WAKE, IRQ, ZEROED, COPIED, MOVED) = range(14)
LINE = re.compile(r"^(\d+) (\d+) (\d+) (\d+) (\S+) (\d+) (\d+) ([01]) (\d+) (\d+) (\S+)$", re.M)

ROW, LANE, LEFT, TOP = 26, 190, 90, 60  # pixels of the diagram
COLOURS = {FAULT: "#b3261e", FAULT_END: "#1b7f3b", IRQ: "#8a5a00", MOVED: "#5b3fa0", COPIED: "#5b3fa0", ZEROED: "#5b3fa0"}


class Event:
    """One line of `whyfault -r`."""

    def __init__(self, fields):
        numbers = [int(f) for f in fields[:4]]
        self.time, self.cpu, self.thread, self.task = numbers
        self.task_name, self.cause, self.kind = fields[4], int(fields[5]), int(fields[6])
        self.interrupt = fields[7] == "1"
        self.a, self.b, self.message = int(fields[8]), int(fields[9]), fields[10]

    def label(self):
        message = f"{self.message} ({self.a})" if self.message != "-" else f"message {self.a}"
        return {
            FAULT: f"touches {self.a:#x}", FAULT_END: "has its page" if self.a == 0 else f"fails: {self.a:#x}",
            SEND: f"sends {message}", RECEIVE: f"receives {message}", HANDOFF: message, KCALL: f"kernel: {message}",
            EXCEPTION: f"exception {self.a}", SWITCH: "switch", WAKE: "wakes", IRQ: f"interrupt, line {self.a}",
            ZEROED: f"{self.a} cleared", COPIED: f"{self.a} copied", MOVED: f"{self.a} moved, not copied",
        }.get(self.kind, f"event {self.kind}")


def parse(output):
    count = re.search(r"^events (\d+)$", output, re.M)
    events = [Event(m.groups()) for m in LINE.finditer(output)]
    if count is None or int(count.group(1)) != len(events) or not events:
        raise Failure(f"whyfault printed no events that can be read:\n{output[-2000:]}")
    return [e for e in events if e.kind != SWITCH or e.thread != e.b]  # else the rest of a hand-off


def make_disk(folder):
    """A disk image with a file system, and /file on it."""
    root, image = os.path.join(folder, "root"), os.path.join(folder, "disk.img")
    os.mkdir(root)
    with open(os.path.join(root, "file"), "w", encoding="utf-8") as f:
        f.writelines(f"line {n:10}\n" for n in range(16384))
    with open(image, "wb") as f:
        f.truncate(16 << 20)
    subprocess.run(["mke2fs", "-q", "-t", "ext3", "-d", root, image], check=True, env={**os.environ, "PATH": os.environ["PATH"] + ":/usr/sbin:/sbin"})
    return image


def record(iso, path, offset, disk):
    """The events of the cold page and of the same page once more."""
    extra = ["-drive", f"file={disk},format=raw,if=none,id=disk,snapshot=on", "-device", "virtio-blk-pci,drive=disk,disable-legacy=on"]
    with Machine(iso, icount=True, sleep="on", timeout=120, extra=extra) as m:
        m.expect(r"\$ $")
        cold = parse(m.command_output(f"whyfault -r {path} {offset}", 120))
        again = parse(m.command_output(f"whyfault -r {path} {offset}", 120))
        m.power_off()
    return [("the page is not in memory", cold), ("the page is in memory", again)]


# --- the sequence diagram ---

def lanes_of(events):
    """thread -> column, in order of appearance; threads that only left the processor have none."""
    lanes = {}
    for e in events:
        if not e.interrupt and e.kind != SWITCH:
            lanes.setdefault(e.thread, len(lanes))
        if e.kind == HANDOFF:
            lanes.setdefault(e.b, len(lanes))
    return lanes


def names_of(events):
    return {e.thread: f"{e.task_name}.{e.thread}" for e in events if not e.interrupt}


def receivers_of(events):
    """index of a SEND -> index of the RECEIVE of that message."""
    found, taken = {}, set()
    for i, e in enumerate(events):
        for k in range(i + 1, len(events)) if e.kind == SEND else ():
            r = events[k]
            if r.kind == RECEIVE and r.a == e.a and k not in taken:
                found[i] = k
                taken.add(k)
                break
    return found


def text(x, y, words, colour="#222", anchor="start", css=""):
    return f'<text x="{x}" y="{y}" fill="{colour}" text-anchor="{anchor}" {css}>{html.escape(words)}</text>'


def arrow(x1, y1, x2, y2, colour, dashed=False):
    dash = ' stroke-dasharray="4 3"' if dashed else ""
    return f'<line x1="{x1}" y1="{y1}" x2="{x2}" y2="{y2}" stroke="{colour}" stroke-width="1.5" marker-end="url(#head)"{dash}/>'


def draw_event(e, i, x, columns, receivers):
    """The marks of one event; x is its lane, columns where the others are."""
    y = TOP + i * ROW
    colour = COLOURS.get(e.kind, "#222")
    parts = [text(LEFT - 20, y + 4, f"{e.time}", "#666", "end")]
    end = None
    if e.kind in (HANDOFF, WAKE) and e.b in columns:
        end = columns[e.b], y
    elif e.kind == SEND and i in receivers:
        k, r = receivers[i]
        end = columns[r], TOP + k * ROW
    if end is not None and end[0] != x:
        parts.append(arrow(x, y, end[0], end[1], "#1a5fb4" if e.kind != WAKE else "#999", e.kind == WAKE))
    parts.append(f'<circle cx="{x}" cy="{y}" r="3.5" fill="{colour}"/>')
    parts.append(text(x + 8, y - 4, e.label(), colour))
    return f'<g class="event"><title>{html.escape(f"{e.time}: {e.task_name}.{e.thread} {e.label()}")}</title>' + "".join(parts) + "</g>"


def diagram(events):
    shown = [e for e in events if e.kind != SWITCH]
    lanes, names = lanes_of(shown), names_of(events)
    columns = {thread: LEFT + lane * LANE for thread, lane in lanes.items()}
    receivers = {i: (k, shown[k].thread) for i, k in receivers_of(shown).items()}
    width, height = LEFT + len(lanes) * LANE + 80, TOP + len(shown) * ROW + 10
    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" font-family="sans-serif" font-size="11">',
             '<defs><marker id="head" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto">'
             '<path d="M0 0L8 4L0 8z" fill="#1a5fb4"/></marker></defs>']
    for thread, x in columns.items():
        parts.append(f'<line class="lane" x1="{x}" y1="{TOP - 24}" x2="{x}" y2="{height}" stroke="#ccc"/>')
        parts.append(text(x, TOP - 32, names.get(thread, f"thread {thread}"), "#000", "middle", 'font-weight="bold" class="thread"'))
    for i, e in enumerate(shown):
        x = columns.get(e.thread, LEFT) if not e.interrupt else LEFT - 12
        parts.append(draw_event(e, i, x, columns, receivers))
    return "\n".join(parts + ["</svg>"])


def summary(events):
    tasks = {e.thread: e.task for e in events}
    switches = [e for e in events if e.kind in (HANDOFF, SWITCH)]
    rows = [
        ("instructions", events[-1].time),
        ("threads involved", len({e.thread for e in events if not e.interrupt and e.kind != SWITCH})),
        ("messages", sum(e.kind in (SEND, HANDOFF) for e in events)),
        ("kernel calls", sum(e.kind == KCALL for e in events)),
        ("context switches", len(switches)),
        ("address-space switches", sum(tasks.get(e.b, e.task) != e.task for e in switches)),
        ("pages moved", sum(e.a for e in events if e.kind == MOVED)),
        ("pages copied", sum(e.a for e in events if e.kind == COPIED)),
        ("pages cleared", sum(e.a for e in events if e.kind == ZEROED)),
    ]
    return "<table>" + "".join(f"<tr><th>{name}</th><td>{value}</td></tr>" for name, value in rows) + "</table>"


def page(path, offset, traces):
    body = "".join(f"<h2>{html.escape(title)}</h2>{summary(events)}<div>{diagram(events)}</div>" for title, events in traces)
    return ("<!DOCTYPE html><html lang=\"en\"><head><meta charset=\"utf-8\"><title>A page fault, from task to task</title><style>"
            "body{font-family:sans-serif;margin:2em}table{border-collapse:collapse;margin:1em 0}"
            "th{text-align:left;font-weight:normal;padding:2px 16px 2px 0}td{text-align:right}div{overflow-x:auto}</style></head><body>"
            f"<h1>A byte of a mapped file is touched</h1><p>{html.escape(path)}, offset {offset}. Each column is a thread, time goes down; the "
            "numbers at the left are instructions since the fault, counted by the emulator, without those of the recording. Solid arrows are "
            f"messages, dashed ones wake a thread.</p>{body}</body></html>\n")


# --- Chrome and Perfetto ---

def running(events):
    """(thread, from, to) for the time each thread had the processor."""
    now, since = {}, {}
    for e in events:
        if e.interrupt:
            continue
        if now.get(e.cpu) != e.thread:
            if e.cpu in now:
                yield now[e.cpu], since[e.cpu], e.time
            now[e.cpu], since[e.cpu] = e.thread, e.time
        if e.kind in (HANDOFF, SWITCH):
            yield e.thread, since[e.cpu], e.time
            now[e.cpu], since[e.cpu] = e.b, e.time
    for cpu, thread in now.items():
        yield thread, since[cpu], max(e.time for e in events)


def perfetto(traces):
    out, flow, start = [], 0, 0
    for title, events in traces:
        tasks, names = {e.thread: e.task for e in events}, names_of(events)
        for e in events:
            out.append({"name": "process_name", "ph": "M", "pid": e.task, "args": {"name": e.task_name}})
        for thread, name in names.items():
            out.append({"name": "thread_name", "ph": "M", "pid": tasks[thread], "tid": thread, "args": {"name": name}})
        for thread, begin, end in running(events):
            out.append({"name": title, "ph": "X", "pid": tasks.get(thread, 0), "tid": thread, "ts": (start + begin) / 1000, "dur": (end - begin) / 1000})
        receivers = receivers_of(events)
        for i, e in enumerate(events):
            place = {"pid": e.task, "tid": e.thread, "ts": (start + e.time) / 1000}
            out.append({"name": e.label(), "ph": "i", "s": "t", **place, "args": {"cause": e.cause}})
            to = events[receivers[i]] if i in receivers else None
            if e.kind == HANDOFF or to is not None:
                flow += 1
                end = {"pid": tasks.get(e.b, 0), "tid": e.b, "ts": place["ts"]} if to is None else \
                    {"pid": to.task, "tid": to.thread, "ts": (start + to.time) / 1000}
                out.append({"name": e.label(), "cat": "message", "ph": "s", "id": flow, **place})
                out.append({"name": e.label(), "cat": "message", "ph": "f", "bp": "e", "id": flow, **end})
        start += events[-1].time + 1000
    return {"displayTimeUnit": "ns", "traceEvents": out}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("iso")
    parser.add_argument("--file", default="/disk/file")
    parser.add_argument("--offset", type=int, default=81920)
    parser.add_argument("--disk")
    parser.add_argument("--out", default="build")
    arguments = parser.parse_args()
    try:
        with tempfile.TemporaryDirectory(prefix="portolan-") as folder:
            traces = record(arguments.iso, arguments.file, arguments.offset, arguments.disk or make_disk(folder))
    except Failure as failure:
        sys.exit(f"trace_fault: {failure}")
    os.makedirs(arguments.out, exist_ok=True)
    names = [os.path.join(arguments.out, f"trace-fault.{kind}") for kind in ("html", "json")]
    with open(names[0], "w", encoding="utf-8") as f:
        f.write(page(arguments.file, arguments.offset, traces))
    with open(names[1], "w", encoding="utf-8") as f:
        json.dump(perfetto(traces), f)
    print(f"wrote {names[0]} (a page to look at) and {names[1]} (ui.perfetto.dev opens it)")


if __name__ == "__main__":
    main()

#!/usr/bin/env python3
"""docs.py - check that what the documents show is there: commands, make targets, links, files, programs.

usage: tests/docs.py [--list]      Closes with `N passed, N failed`.

In every .md file: relative links and file paths in backticks exist; `/ $ COMMAND` names a program of the manifest or a word of the shell.
In blocks marked ```sh: each line is a command that is run here, or by another test, or whose target and options are checked here.
The tables of lock ranks, debugger commands and figures are compared with the sources they describe."""
import functools
import glob
import json
import os
import re
import shlex
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.join(ROOT, "tests"))

SKIP_FOLDERS = {".git", "build", "__pycache__"}
# Targets that are run elsewhere: `make test` by its caller, what it builds by itself, the others by people or the checks below.
EXERCISED = {"run", "test", "bench", "debug", "lint", "size", "iso", "help", "test-release", "test-debug", "mutation"}
RUN_HERE = {"help"}
TESTED_HERE = {"python3 tests/docs.py", "python3 tests/spin/spin_test.py"}
HELPFUL = {"tests/run.py", "tests/fuzz/long.py", "tests/pressure/pressure.py", "tests/host/vm/long.py", "tools/bench.py", "tools/size.py", "tools/mkarchive.py", "tests/error_codes.py", "tests/mutation.py"}
EXTENSIONS = r"\.(?:c|h|md|py|mk|defs|def|asm|S|ld|json|sh|debian|format)$"
# Where a path in a document may begin, beside the document's own folder.
BASES = ["", "kernel", "kernel/arch/x86_64", "kernel/arch/x86_64/include", "kernel/include", "kernel/include/mach/defs", "libmach",
         "libmach/include", "libmach/defs", "tests", "docs"]
VARIABLE = re.compile(r"^[A-Z_]+=")

passed = 0
failures = []
listing = False


def check(condition, where, sentence):
    global passed
    if condition:
        passed += 1
        if listing:
            print(f"ok {where}: {sentence}")
    else:
        failures.append(f"{where}: {sentence}")


def read(path):
    with open(os.path.join(ROOT, path), encoding="utf-8") as f:
        return f.read()


def documents():
    for folder, subfolders, names in os.walk(ROOT):
        subfolders[:] = sorted(s for s in subfolders if s not in SKIP_FOLDERS)
        for name in sorted(names):
            if name.endswith(".md"):
                yield os.path.relpath(os.path.join(folder, name), ROOT)


@functools.lru_cache
def all_names():
    """The base names of all files of the tree."""
    names = set()
    for _, subfolders, files in os.walk(ROOT):
        subfolders[:] = [s for s in subfolders if s not in SKIP_FOLDERS]
        names.update(files)
    return names


@functools.lru_cache
def programs():
    """Paths in the running system: what the manifest and the tests put there."""
    paths = set(re.findall(r"^file\s+(\S+)", read("iso/manifest") + read("docs/tutorials/manifest"), re.M))
    paths |= {f"/tests/{os.path.basename(p)[:-2]}" for p in glob.glob(os.path.join(ROOT, "tests/user/*_test.c"))}
    return paths | {"/tests/runner", "/manifest", "/dev/null", "/dev/console"}


@functools.lru_cache
def builtins():
    return set(re.findall(r'\{"([^"]+)",\s*builtin_', read("userland/sh/builtins.c")))


def blocks(text):
    """(language, first line number, lines) of each fenced block."""
    language, start, lines = None, 0, []
    for number, line in enumerate(text.splitlines(), 1):
        fence = re.match(r"^\s*```(\w*)\s*$", line)
        if fence and language is None:
            language, start, lines = fence.group(1), number + 1, []
        elif fence:
            yield language, start, lines
            language = None
        elif language is not None:
            lines.append(line)


def without_blocks(text):
    return re.sub(r"^\s*```.*?^\s*```\s*$", lambda m: "\n" * m.group(0).count("\n"), text, flags=re.M | re.S)


def succeeds(*command):
    return subprocess.run(command, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                          stderr=subprocess.DEVNULL).returncode == 0


# A dry run rather than the question whether a rule exists: prerequisites must be there too.
make_succeeds = functools.lru_cache(lambda *words: succeeds("make", "-n", *words))


@functools.lru_cache
def help_text(script):
    return subprocess.run(["python3", script, "--help"], cwd=ROOT, stdout=subprocess.PIPE, text=True, check=False).stdout


@functools.lru_cache
def host_commands():
    """Targets of makefiles that tests/run.py runs, as (file, target)."""
    import run  # tests/run.py
    return {(c[c.index("-f") + 1], c[-1]) for _, c in run.HOST if "-f" in c}


# --- commands on the host ---

def check_make(words, where):
    line = "make " + " ".join(words)
    goals = [w for w in words if not VARIABLE.match(w)]
    if goals[:1] == ["-f"]:
        check(len(goals) == 3 and (goals[1], goals[2]) in host_commands(), where, f"`{line}` is run by tests/run.py")
        return
    for goal in goals:
        check(goal in EXERCISED, where, f"`{line}`: {goal} is a target that is tried out")
        if goal in RUN_HERE:
            check(succeeds("make", "-s", goal), where, f"`make {goal}` succeeds")
    # an image of the test manifest can be planned only when that has been made
    if not any(w.startswith("MANIFEST=build/") and not os.path.exists(os.path.join(ROOT, w[9:])) for w in words):
        check(make_succeeds(*words), where, f"`{line}` can be made")


def check_python(words, where):
    script = words[0] if words else ""
    line = "python3 " + " ".join(words)
    check(os.path.isfile(os.path.join(ROOT, script)), where, f"`{line}`: there is {script}")
    if script in HELPFUL:  # a wrong value fails before --help is seen; an unknown option is not in what that prints
        known = set(re.findall(r"--[\w-]+", help_text(script)))
        check(succeeds("python3", *words, "--help") and known.issuperset(w for w in words if w.startswith("--")), where,
              f"`{line}`: its options are understood")
    else:
        check(line in TESTED_HERE, where, f"`{line}` is tried out")


def check_command(line, where):
    words = shlex.split(line, comments=True)
    if not words:
        return
    if words[0] == "make":
        check_make(words[1:], where)
    elif words[0] == "python3":
        check_python(words[1:], where)
    else:
        check(False, where, f"`{line}`: no test runs such a command")


# --- commands of the system ---

def check_prompt(command, where):
    """What stands after `/ $ `."""
    expanded = re.sub(r"\s(?:[12]?>>?|<)\s*\S+", " ", command)
    for part in re.split(r";|&&|\|\||&", expanded):
        words = part.split()
        if not words or VARIABLE.match(words[0]):
            continue
        name = words[0]
        known = name in programs() if name.startswith("/") else f"/bin/{name}" in programs() or name in builtins()
        check(known, where, f"`{name}` is a program or a word of the shell")


def prompts(text):
    for number, line in enumerate(text.splitlines(), 1):
        found = re.match(r"^\s*/ \$ (.*)", line)
        if found:
            yield number, found.group(1).strip()


# --- files and links ---

def is_path(token):
    """Is it meant to name a file of the tree?"""
    if re.search(r"[\s<>()$=\"'|;,]|::", token) or token.startswith(("-", "/", "~", "http", "build/")):
        return False
    if re.search(r"(?:^|/)(?:NAME|X|x)(?:$|[._/])", token):
        return False  # stands for any name
    return re.search(EXTENSIONS, token) is not None or ("/" in token and re.fullmatch(r"[\w./*+-]+", token) is not None)


def path_exists(token, folder):
    token = token.rstrip("/").removesuffix(":")
    token = re.sub(r":\d+$", "", token)
    if "/" not in token and "*" not in token and token in all_names():
        return True
    for base in [folder] + BASES:
        if glob.glob(os.path.join(ROOT, base, token)):
            return True
    return False


def check_paths(document, text):
    folder = os.path.dirname(document)
    prose = without_blocks(text)
    for number, line in enumerate(prose.splitlines(), 1):
        where = f"{document}:{number}"
        for token in re.findall(r"`([^`]+)`", line):
            if is_path(token):
                check(path_exists(token, folder), where, f"there is {token}")
            elif re.fullmatch(r"/(?:bin|servers|tests|etc)/[\w.-]+", token):
                check(token in programs(), where, f"the system has {token}")
        for target in re.findall(r"\]\(([^)\s]+)\)", line):
            if not re.match(r"[a-z]+:", target) and not target.startswith("#"):
                check(os.path.exists(os.path.join(ROOT, folder, target.split("#")[0])), where, f"the link {target} leads somewhere")


# --- tables that describe sources ---

def table_words(document, heading):
    """First words in backticks of the rows of the table below a heading."""
    section = read(document).split(f"\n## {heading}\n", 1)
    rows = re.findall(r"^\| `([^` ]+)", section[1].split("\n## ")[0], re.M) if len(section) == 2 else []
    return set(rows)


def check_tables():
    ranks = {(int(v), n) for n, v in re.findall(r"LOCK_RANK_(\w+) = (\d+)", read("kernel/kern/lock_rank.h"))}
    told = {(int(v), n) for v, n in re.findall(r"^\| (\d+) \| (\w+) \|", read("docs/architecture.md"), re.M)}
    check(ranks == told, "docs/architecture.md", f"lock ranks are those of lock_rank.h (differ: {sorted(ranks ^ told)})")
    commands = set(re.findall(r'^    \{"(\w+)", "', read("kernel/ddb/ddb.c"), re.M))
    differ = commands ^ table_words("docs/debugger.md", "ddb")
    check(not differ, "docs/debugger.md", f"commands are those of ddb.c (differ: {sorted(differ)})")
    commands = set(re.findall(r'super\(\).__init__\("(\w+)"', read("tools/gdb/portolan.py")))
    differ = commands ^ table_words("docs/debugger.md", "gdb")
    check(not differ, "docs/debugger.md", f"gdb commands are those of portolan.py (differ: {sorted(differ)})")
    words = {w.split("=")[0] for w in table_words("docs/debugger.md", "Words on the kernel's command line")}
    asked = set()
    for path in glob.glob(os.path.join(ROOT, "kernel/**/*.c"), recursive=True):
        asked |= set(re.findall(r'boot_info_option\("(\w+)"', read(os.path.relpath(path, ROOT))))
    check(words == asked, "docs/debugger.md", f"words of the command line are those the kernel asks for (differ: {sorted(words ^ asked)})")
    figures = {re.sub(r"\.\d+$", ".N", n) for n in json.loads(read("tests/bench/figures.json"))}
    differ = figures ^ table_words("docs/measuring.md", "The figures")
    check(not differ, "docs/measuring.md", f"figures are those of figures.json (differ: {sorted(differ)})")


def check_lengths(document, text):
    lines = len(text.splitlines())
    if document == "docs/style.md":
        check(lines <= 120, document, f"at most 120 lines, has {lines}")
    elif os.path.basename(document) == "README.md" and document.startswith(("kernel/", "servers/", "userland/")):
        check(lines <= 40, document, f"at most 40 lines, has {lines}")


def main():
    global listing
    listing = "--list" in sys.argv[1:]
    for document in documents():
        text = read(document)
        check_paths(document, text)
        check_lengths(document, text)
        for number, command in prompts(text):
            check_prompt(command, f"{document}:{number}")
        for language, start, lines in blocks(text):
            if language == "sh":
                for offset, line in enumerate(lines):
                    check_command(line, f"{document}:{start + offset}")
    check_tables()
    for failure in failures:
        print("FAILED", failure)
    print(f"{passed} passed, {len(failures)} failed")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())

#!/usr/bin/env python3
"""error_codes.py - does each error code named in a contract have a test?

usage: tests/error_codes.py [--list]      --list: every pair and the file that covers it

A contract is the comment above a prototype or a definition with a line `Returns:`. Counted are those of the routines the kernel
serves (kernel/include/mach/defs, as tools/mk/kernel.mk lists them), of the traps (kernel/include/mach/mach_traps.h) and of the
library's public headers (libmach/include/portolan). A served routine without one is a failure too. `Returns also:` adds the codes
of the sentence `All return ...` at the head of the file; `as NAME`, `those of NAME` add the codes of another contract. A trap
or a routine of the library that calls a served routine is counted for its own codes alone: those of the served one are counted
there. Nobody sees what a simpleroutine's stub answers.

A pair (routine, code) is covered by an expectation in a test that calls the routine and compares what it returns with the code:

    CHECK_EQ(routine(...), CODE);                                also EXPECT_EQ, assert_int_equal
    kr = routine(...);  CHECK_EQ(kr, CODE);                      the expectation stands before kr is assigned again

Whether it holds is seen when the tests run. Closes with `N passed, N failed`."""
import argparse
import glob
import os
import re
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
CODE = r"\b(?:KERN|MACH_SEND|MACH_RCV|SPAWN|MIG|D|EML)_[A-Z0-9_]+\b"
GOOD = {"KERN_SUCCESS", "MACH_MSG_SUCCESS", "MIG_NO_REPLY"}
EXPECTATION = re.compile(r"\b(?:CHECK_EQ|EXPECT_EQ|assert_int_equal)\s*\(")
# how a test can call a trap or a routine beside its own name
OTHER_NAMES = {"mach_msg": "mach_msg_trap"}


def read(path):
    with open(os.path.join(ROOT, path), encoding="utf-8") as f:
        return f.read()


def files(*patterns):
    return [os.path.relpath(p, ROOT) for pattern in patterns
            for p in sorted(glob.glob(os.path.join(ROOT, pattern), recursive=True))]


class Contracts:
    """The comments above prototypes and definitions, by name. Prototypes that follow each other share a comment."""

    COMMENT = re.compile(r"/\*((?:(?!\*/).)*)\*/\n", re.S)
    DECLARED = re.compile(r"[a-z][\w \n*]*?\b(\w+)\([^;{}]*\)[^;{}()]*(?:\([^;{}()]*\)[^;{}()]*)*([;{])\n?")

    def __init__(self, paths):
        self.text = {}
        self.everywhere = {}
        for path in paths:
            source = read(path)
            head = self.words(source[:source.find("*/")])
            common = re.search(r"All return (.*?)(?:; further|\.(?: |$))", head)
            for comment in self.COMMENT.finditer(source):
                text = self.words(comment.group(1))
                if "Returns" in text:
                    text = text[text.index("Returns"):]
                    for name in self.names(source, comment.end()):
                        self.text.setdefault(name, text)
                        if common and text.startswith("Returns also"):
                            self.everywhere[name] = set(re.findall(CODE, common.group(1)))

    @staticmethod
    def words(comment):
        return re.sub(r"\s*\n\s*\*\s*", " ", comment)

    def names(self, source, at):
        """What is declared at this place: prototypes up to a blank line or a comment, or one definition."""
        while True:
            match = self.DECLARED.match(source, at)
            if match is None:
                return
            yield match.group(1)
            at = match.end()
            if match.group(2) == "{":
                return

    def codes(self, name, served, seen=()):
        text = self.text.get(name, "")
        found = set(re.findall(CODE, text)) | self.everywhere.get(name, set())
        for group in re.findall(r"\b(?:as|those of) ((?:\w+(?:, | and )?)+)", text):
            for other in re.findall(r"\w+", group):
                if name not in served and other in served:
                    continue
                if other in self.text and other != name and other not in seen:
                    found |= self.codes(other, served, (*seen, name))
        return found - GOOD


def constant_routines():
    """The routines that always answer the same code, and the code."""
    lines = [line.split() for line in read("kernel/kern/constant_routines").splitlines()]
    return {words[0]: words[1] for words in lines if words and words[0] != "#"}


def served_routines():
    """The routines of the interfaces the kernel serves, each with the codes the stub has for ports that are not the object meant
    (`onnull` of the argument's type)."""
    make = read("tools/mk/kernel.mk")
    interfaces = re.search(r"^KERNEL_SERVED := (.*)$", make, re.M).group(1).split()
    sources = {i: re.sub(r"/\*.*?\*/", "", read(f"kernel/include/mach/defs/{i}.defs"), flags=re.S)
               for i in [*interfaces, "mach_types", "std_types"]}
    types = {}
    for source in sources.values():
        for name, body in re.findall(r"\btype (\w+) = ([^;]*);", source):
            types[name] = re.findall(r"onnull: (\w+)", body)
    routines = {}
    for interface in interfaces:
        source = re.sub(r"#if KERNEL_SERVER[^\n]*\n(.*?)(?:#else.*?)?#endif", r"\1", sources[interface], flags=re.S)
        for kind, name, parameters in re.findall(r"\b(simple)?routine (\w+)\(([^)]*)\)", source):
            codes = routines.setdefault(name, set())
            for parameter in [] if kind else parameters.split(";"):
                match = re.match(r"\s*(out )?\s*\w+ : (\w+)", parameter)
                if match and not match.group(1):
                    codes |= set(types.get(match.group(2), []))
    return routines


def traps():
    return ["mach_msg_trap", *re.findall(r"^kern_return_t (\w+)\(", read("kernel/include/mach/mach_traps.h"), re.M)]


def library():
    names = []
    for path in files("libmach/include/portolan/*.h"):
        names += re.findall(r"^(?:kern_return_t|mach_msg_return_t) (\w+)\(", read(path), re.M)
    return names


def split_arguments(text):
    """The arguments of a call, text beginning behind its `(`; and where the call ends."""
    parts, depth, start = [], 0, 0
    for i, c in enumerate(text):
        if c in "([{":
            depth += 1
        elif c in ")]}":
            if depth == 0:
                return [*parts, text[start:i].strip()], i
            depth -= 1
        elif c == "," and depth == 0:
            parts.append(text[start:i].strip())
            start = i + 1
    return parts, len(text)


def called(expression):
    """The function whose result the expression is, or None."""
    expression = re.sub(r"^(?:\((?:\w+|\w+ \*)\)\s*)+", "", expression)
    match = re.match(r"\(?(\w+)\)?\s*\(", expression)
    if not match:
        return None
    _, end = split_arguments(expression[match.end():])
    return match.group(1) if expression[match.end() + end + 1:].strip() == "" else None


def strip(source):
    source = re.sub(r"/\*.*?\*/", " ", source, flags=re.S)
    source = re.sub(r'"(?:\\.|[^"\\\n])*"', '""', source)
    return re.sub(r"\s+", " ", source)


def covered_in(source):
    """The pairs a test file covers."""
    source = strip(source)
    for match in EXPECTATION.finditer(source):
        arguments, _ = split_arguments(source[match.end():])
        if len(arguments) < 2 or not re.fullmatch(CODE, re.sub(r"^\(\w+\)\s*", "", arguments[1])):
            continue
        code = re.sub(r"^\(\w+\)\s*", "", arguments[1])
        name = called(arguments[0])
        if name is None and re.fullmatch(r"\w+", arguments[0]):
            assigned = list(re.finditer(r"\b%s = ([^;]*);" % re.escape(arguments[0]), source[:match.start()]))
            between = source[assigned[-1].end():match.start()] if assigned else "}"
            name = called(assigned[-1].group(1)) if assigned and "}" not in between else None
        if name is not None:
            yield OTHER_NAMES.get(name, name), code


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--list", action="store_true")
    arguments = parser.parse_args()
    contracts = Contracts(files("kernel/**/*.h", "kernel/**/*_server.c", "kernel/device/*.c", "kernel/hv/*.c", "kernel/kern/*.c", "kernel/vm/*.c",
                                "libmach/include/portolan/*.h"))
    covered = {}
    for path in files("tests/user/*.c", "tests/kernel/*.c", "tests/host/**/*.c"):
        for pair in covered_in(read(path)):
            covered.setdefault(pair, path)
    served, constant = served_routines(), constant_routines()
    passed = failed = 0
    for name in sorted({*served, *traps(), *library()}):
        codes = served.get(name, set()) | contracts.codes(name, served)
        if name in constant:
            codes |= {constant[name]} - GOOD
        elif name not in contracts.text:
            print(f"{name}: no contract (a comment with `Returns:`)")
            failed += 1
        for code in sorted(codes):
            where = covered.get((name, code))
            passed += where is not None
            failed += where is None
            if where is None:
                print(f"{name}: no test expects {code}")
            elif arguments.list:
                print(f"{name} {code}: {where}")
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())

#!/usr/bin/env python3
"""tutorial_test.py - the code in docs/tutorials is the code in the tree, byte for byte. Closes with `N passed, N failed`.

A block of code after `<!-- file: PATH -->` must be that file."""
import difflib
import glob
import os
import re
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))
BLOCK = re.compile(r"<!-- file: (\S+) -->\n```\w*\n(.*?)^```$", re.M | re.S)
MARK = "<!-- file:"


def compare(page, path, text):
    """Print how a block differs from its file. Returns: whether it is the same."""
    name = os.path.join(ROOT, path)
    code = ""
    if os.path.isfile(name):
        with open(name, encoding="utf-8") as f:
            code = f.read()
    if code == text and code:
        return True
    sys.stdout.writelines(difflib.unified_diff(code.splitlines(True), text.splitlines(True), path, page))
    return False


def main():
    passed = failed = 0
    for page in sorted(glob.glob(os.path.join(ROOT, "docs/tutorials/*.md"))):
        with open(page, encoding="utf-8") as f:
            text = f.read()
        blocks = BLOCK.findall(text)
        if len(blocks) != text.count(MARK):
            print(f"{page}: a `{MARK} PATH -->` line is not followed by a block of code")
            failed += 1
        for path, code in blocks:
            same = compare(os.path.relpath(page, ROOT), path, code)
            passed += same
            failed += not same
    if passed + failed == 0:
        print("no block of code with a file was found in docs/tutorials")
        failed = 1
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())

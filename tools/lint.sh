#!/bin/sh
# lint.sh - layout, lock annotations and plain mistakes. Prints what is wrong; exit status 1 if anything is.
set -u
cd "$(dirname "$0")/.."
bad=0

sources=$(git ls-files 'kernel/*.[ch]' 'libmach/*.[ch]' 'servers/*.[ch]' 'userland/*.[ch]' 'tools/mig/*.[ch]' 'tests/*.[ch]')

echo "lint: layout (clang-format)"
# shellcheck disable=SC2086
clang-format --dry-run -Werror $sources 2>&1 | grep -m 20 "error:" && bad=1

echo "lint: locks (clang -Wthread-safety)"
flags="-std=gnu11 -ffreestanding -fsyntax-only -mcmodel=kernel -mno-red-zone -mgeneral-regs-only -DKERNEL=1 -DCONFIG_DEBUG=1
 -Ikernel -Ikernel/include -Ikernel/arch/x86_64/include -Ibuild/gen -Wthread-safety -Werror=thread-safety
 -Wno-unknown-warning-option"
for file in $(git ls-files 'kernel/kern/*.c' 'kernel/ipc/*.c' 'kernel/vm/*.c' 'kernel/device/*.c' 'kernel/hv/*.c'); do
    # shellcheck disable=SC2086
    clang $flags "$file" 2>&1 | grep "thread-safety" && bad=1
done

echo "lint: words"
# names of people's work, leftovers
# shellcheck disable=SC2086
grep -nE '\b(TODO|FIXME|XXX|HACK)\b' $sources && bad=1

[ "$bad" -eq 0 ] && echo "lint: clean"
exit "$bad"

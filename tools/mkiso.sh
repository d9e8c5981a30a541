#!/bin/sh
# mkiso.sh - the bootable image: GRUB, the kernel, the bootstrap program and the archive.
# usage: tools/mkiso.sh [--small] [--text] OUTPUT.iso KERNEL BOOTSTRAP ARCHIVE [WORD...]
#   WORD...   the kernel's command line; words after -- are for the bootstrap server (run=PATH)
#   --small   BIOS only, with the few GRUB modules it needs: what tests boot
#   --text    the screen stays in text mode (BIOS only)
#   -         in place of BOOTSTRAP or ARCHIVE leaves that module out (for tests of what the kernel says)
set -eu

small=
if [ "${1:-}" = --small ]; then
    small=yes
    shift
fi
screen=
if [ "${1:-}" = --text ]; then
    screen="set gfxpayload=text" # after multiboot2, which sets it to what the kernel's header wishes
    shift
fi
if [ $# -lt 4 ]; then
    sed -n '3,7s/^# *//p' "$0" >&2
    exit 2
fi
output=$1 kernel=$2 bootstrap=$3 archive=$4
shift 4
for file in "$kernel" "$bootstrap" "$archive"; do
    if [ "$file" != - ] && [ ! -s "$file" ]; then
        echo "mkiso: $file is missing or empty" >&2
        exit 1
    fi
done
case "$*" in
*[!A-Za-z0-9\ ._=,:/+%@-]*)
    echo "mkiso: the command line \`$*' has a character GRUB would take for its own" >&2
    exit 1
    ;;
esac

tree=$(mktemp -d "${TMPDIR:-/tmp}/mkiso.XXXXXX")
trap 'rm -rf "$tree"' EXIT
trap 'exit 1' HUP INT TERM
mkdir -p "$tree/boot/grub"
cp "$kernel" "$tree/boot/kernel.elf"
modules=
add_module() { # FILE NAME WORD
    [ "$1" = - ] && return
    cp "$1" "$tree/boot/$2"
    modules="$modules
    module2 /boot/$2 $3"
}
add_module "$bootstrap" bootstrap bootstrap
add_module "$archive" archive.tar archive
cat >"$tree/boot/grub/grub.cfg" <<END
serial --unit=0 --speed=115200
terminal_input serial console
terminal_output serial console
set timeout=0
set default=0
insmod all_video
set gfxpayload=keep
menuentry "Portolan" {
    multiboot2 /boot/kernel.elf $*$modules
    $screen
}
END

if [ -n "$small" ]; then
    set -- -d /usr/lib/grub/i386-pc --locales= --fonts= --themes= --install-modules="multiboot2 \
normal iso9660 biosdisk terminal serial echo part_msdos all_video"
else
    set -- --locales= --themes=
fi
mkdir -p "$(dirname "$output")"
if ! grub-mkrescue -o "$output.part" "$@" "$tree" >"$tree.log" 2>&1; then
    cat "$tree.log" >&2
    rm -f "$tree.log" "$output.part"
    exit 1
fi
rm -f "$tree.log"
mv "$output.part" "$output"

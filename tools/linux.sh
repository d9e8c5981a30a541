#!/bin/sh
# linux.sh - fetch what Linux as a guest is made of: Debian's kernel for clouds and a static busybox, neither installed nor changed.
# usage: tools/linux.sh DIRECTORY      Leaves DIRECTORY/vmlinuz, DIRECTORY/busybox and the virtio drivers, DIRECTORY/modules/*.ko.
set -eu

[ $# -eq 1 ] || { echo "usage: tools/linux.sh DIRECTORY" >&2; exit 2; }
directory=$1

for tool in apt-get apt-cache dpkg-deb; do
    command -v "$tool" >/dev/null 2>&1 || { echo "linux: $tool is missing: put a kernel at $directory/vmlinuz, its modules in $directory/modules, a static busybox at $directory/busybox" >&2; exit 1; }
done

# What the package that says which kernel is the current one depends on.
current() {
    apt-cache depends linux-image-cloud-amd64 2>/dev/null | sed -n 's/^ *Depends: \(linux-image-[0-9].*\)/\1/p' | head -n 1
}

kernel=$(current)
if [ -z "$kernel" ]; then # a system that was installed without lists of packages
    [ "$(id -u)" -eq 0 ] && as_root= || as_root=sudo
    $as_root apt-get update -q >&2
    kernel=$(current)
fi
[ -n "$kernel" ] || { echo "linux: no package linux-image-cloud-amd64 is known: put a kernel at $directory/vmlinuz and a static busybox at $directory/busybox" >&2; exit 1; }

mkdir -p "$directory"
scratch=$(mktemp -d "$directory/fetch.XXXXXX")
trap 'rm -rf "$scratch"' EXIT
(cd "$scratch" && apt-get download -q "$kernel" busybox-static >&2)
for package in "$scratch"/*.deb; do
    dpkg-deb -x "$package" "$scratch/tree"
done
mv "$scratch"/tree/boot/vmlinuz-* "$directory/vmlinuz"
mkdir -p "$directory/modules"
for module in virtio_ring virtio virtio_pci_modern_dev virtio_pci_legacy_dev virtio_pci virtio_blk virtio-rng virtio_console; do
    find "$scratch/tree" -name "$module.ko" -exec cp {} "$directory/modules/" \;
done
busybox=$(find "$scratch/tree" -name busybox -type f -perm -u+x | head -n 1)
mv "$busybox" "$directory/busybox"

#!/bin/sh
# setup.sh - check that the tools of packages.debian are there; on Debian and Ubuntu install what is missing.
# usage: tools/setup.sh [LIST]      Prints nothing when all is there.
set -eu

list=${1:-$(dirname "$0")/packages.debian}
missing_tools=
missing_packages=

while read -r tool package; do
    case "$tool" in
    ''|'#'*) continue ;;
    */*) [ -e "$tool" ] && continue ;;
    *) command -v "$tool" >/dev/null 2>&1 && continue ;;
    esac
    missing_tools="$missing_tools $tool"
    missing_packages="$missing_packages $package"
done <"$list"

[ -z "$missing_packages" ] && exit 0

if ! command -v apt-get >/dev/null 2>&1; then
    echo "setup: these tools are missing:$missing_tools" >&2
    echo "setup: this is not Debian or Ubuntu; install them with your system's package manager" >&2
    echo "setup: (on Debian the packages are:$missing_packages)" >&2
    exit 1
fi

as_root=
if [ "$(id -u)" -ne 0 ]; then
    if ! command -v sudo >/dev/null 2>&1; then
        echo "setup: missing packages:$missing_packages" >&2
        echo "setup: run as root: apt-get install$missing_packages" >&2
        exit 1
    fi
    as_root=sudo
fi

echo "setup: installing$missing_packages" >&2
export DEBIAN_FRONTEND=noninteractive
$as_root apt-get update -q >&2
# shellcheck disable=SC2086
$as_root apt-get install -y -q --no-install-recommends $missing_packages >&2

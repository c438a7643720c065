# The small Debian tree in which NVIDIA's driver is built, and how to work in it. Sourced by build-nvidia-module.sh.
# shellcheck shell=bash

TOOL_PACKAGES=(binutils gcc-14 kmod libc6-dev libelf1t64 make xz-utils zstd)
NOBODY=65534

say() { echo "nvidia: $*" >&2; }

die() {
    say "$*"
    exit 1
}

digest() { sha256sum | cut -c1-16; }

# needs PROGRAM:PACKAGE...
needs() {
    local pair
    for pair in "$@"; do
        command -v "${pair%:*}" >/dev/null || die "${pair%:*} is not here: apt-get install ${pair#*:}"
    done
}

# The Debian archive that this machine itself installs from.
# shellcheck disable=SC2016  # the names are apt's
debian_mirror() {
    local release component created uri codename
    # shellcheck source=/dev/null
    codename=$(. /etc/os-release && echo "${VERSION_CODENAME:-}")
    while read -r release component created uri; do
        if [[ "$release $component $created" == "$codename main Packages" ]]; then
            echo "$uri"
            return
        fi
    done < <(apt-get indextargets --format '$(RELEASE) $(COMPONENT) $(CREATED_BY) $(REPO_URI)' 2>/dev/null)
    die "apt on this machine knows no Debian archive: give one with --mirror"
}

# logged LOG COMMAND...: run it; the end of what it wrote is in the error when it fails.
logged() {
    local log=$1
    shift
    (close_inherited && "$@") >"$log" 2>&1 </dev/null && return
    tail -n 25 "$log" >&2
    return 1
}

# mmdebstrap has sh write to a descriptor of its own, by number, and Debian's sh knows numbers of one digit only: what
# is open already (terminals, locks) would make it a higher one.
close_inherited() {
    local descriptor
    for descriptor in "/proc/$BASHPID/fd"/*; do
        descriptor=${descriptor##*/}
        ((descriptor <= 2 || descriptor == 255)) || exec {descriptor}>&-
    done
}

# fetch FOLDER PACKAGE[=VERSION]...: the packages as files, by apt and so with their signatures checked.
fetch() {
    local folder=$1 tree=$WORK/fetch
    shift
    mkdir -p "$folder"
    # shellcheck disable=SC2016  # for the shell that mmdebstrap runs
    logged "$WORK/fetch.log" mmdebstrap --quiet --variant=custom --format=directory --aptopt='Acquire::Retries "5"' \
        --components=main,contrib,non-free,non-free-firmware \
        --customize-hook="cd '$folder' && APT_CONFIG=\"\$MMDEBSTRAP_APT_CONFIG\" apt-get -qq download $*" \
        "$DEBIAN_SUITE" "$tree" "$MIRROR" || return 1
    rm -rf "$tree"
}

# The tree itself, with the compiler and the pinned kernel's headers. Kept for the next time.
tools() {
    local package
    TOOLS=$CACHE/tools-$(tool_recipe | digest)
    [[ ! -d $TOOLS ]] || return 0
    say "a Debian $DEBIAN_SUITE tree with the compiler and the headers of $DEBIAN_KERNEL_ABI"
    fetch_headers
    rm -rf "${CACHE:?}"/tools-*
    logged "$WORK/tools.log" mmdebstrap --quiet --variant=minbase --format=directory \
        --aptopt='Acquire::Retries "5"' --aptopt='APT::Install-Recommends "false"' --include="$(IFS=, && echo "${TOOL_PACKAGES[*]}")" \
        --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/locale/*' \
        "$DEBIAN_SUITE" "$TOOLS.partial" "$MIRROR" || die "mmdebstrap could not make the tree to build in"
    # By their files alone, because to install them is to install a whole kernel and its initramfs.
    for package in "$WORK"/headers/*.deb; do
        dpkg-deb --extract "$package" "$TOOLS.partial"
    done
    mv -T "$TOOLS.partial" "$TOOLS"
}

tool_recipe() {
    echo "$DEBIAN_SUITE $DEBIAN_KERNEL_ABI ${TOOL_PACKAGES[*]}"
    cat "${BASH_SOURCE[0]}"
}

fetch_headers() {
    local release=${DEBIAN_KERNEL_ABI%-*}
    fetch "$WORK/headers" "linux-headers-$DEBIAN_KERNEL_ABI" "linux-headers-$release-common" "linux-kbuild-$release" ||
        die "the archive has no headers of $DEBIAN_KERNEL_ABI. Debian keeps the kernels of a suite for a while only:" \
            "see what it has now (apt-cache search --names-only '^linux-headers-.*-amd64\$') and write that into" \
            "DEBIAN_KERNEL_ABI in iso/builder/VERSIONS"
}

# in_tools FOLDER COMMAND...: run a command in the tree, in FOLDER of the work folder, as nobody, without a network
# and with nothing of this machine but the work folder's source.
in_tools() {
    local folder=$1
    shift
    # shellcheck disable=SC2016  # for the shell within
    unshare --net --pid --mount --ipc --uts --fork --kill-child -- bash -euc '
        tree=$1 source=$2 user=$3 folder=$4
        shift 4
        mkdir -p "$tree/work"
        mount -t proc proc "$tree/proc"
        mount -t tmpfs -o mode=1777 tmp "$tree/tmp"
        mount -t tmpfs -o mode=0755 dev "$tree/dev"
        for name in null zero full random urandom; do
            : >"$tree/dev/$name"
            mount --bind "/dev/$name" "$tree/dev/$name"
        done
        ln -s /proc/self/fd "$tree/dev/fd"
        mount --bind "$source" "$tree/work"
        # Not exec: what is process 1 of its namespace does not end itself on a signal, and make would work on.
        chroot --userspec="$user:$user" "$tree" /usr/bin/env -i LC_ALL=C HOME=/tmp \
            PATH=/usr/sbin:/usr/bin:/sbin:/bin sh -c "cd \"\$1\" && shift && exec \"\$@\"" sh "/work/$folder" "$@" ||
            exit "$?"
    ' bash "$TOOLS" "$WORK/source" "$NOBODY" "$folder" "$@" </dev/null
}

#!/bin/bash
# NVIDIA's driver for the image: the open kernel modules, built against the headers of the one pinned kernel, and
# the userspace of the very same version. The last line of the standard output is the folder that holds it:
#
#   dist/nvidia-VERSION-KERNEL/
#       modules/    *.ko, and load.order: a module a line, behind it the kernel's own modules that it needs
#       lib/        libnvidia-ml, libcuda and what they load, with the links that the loader looks for
#       bin/        nvidia-smi, nvidia-bug-report.sh and what that calls
#       firmware/   nvidia/VERSION/gsp_*.bin, as below /lib/firmware
#       share/      Fabric Manager's topologies, where its archive was put into iso/vendor/
#       LICENSES/   under what terms all this may be passed on
#       manifest    NAME=value lines, then a sha256 for every file
#
# It is made whole or not at all, and used again while its recipe stays the same.
set -euo pipefail
export LC_ALL=C
umask 022 # who compiles is nobody, and must read what root has put there

HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=/dev/null
source "$HERE/lib/nvidia-tools.sh"
# shellcheck source=/dev/null
source "$HERE/lib/nvidia-sources.sh"
# shellcheck source=/dev/null
source "$HERE/lib/nvidia-modules.sh"
# shellcheck source=/dev/null
source "$HERE/lib/nvidia-userspace.sh"

usage() {
    cat <<'END'
usage: build-nvidia-module.sh --source debian|run [--mirror URL] [--dist FOLDER]
  --source debian   Debian's packages of the driver (NVIDIA_DEBIAN_VERSION in iso/builder/VERSIONS)
  --source run      NVIDIA's own archive (NVIDIA_RUN_* there), fetched once and checked before anything of it runs
  --mirror URL      the Debian archive; else $BEE_DEBIAN_MIRROR, else what apt on this machine installs from
  --dist FOLDER     where results and caches are kept; else dist/ in the checkout
END
}

arguments() {
    SOURCE="" MIRROR=${BEE_DEBIAN_MIRROR:-} DIST=$HERE/../dist
    while (($#)); do
        case $1 in
            --source | --mirror | --dist)
                (($# > 1)) || die "$1 needs a value"
                printf -v "$(tr '[:lower:]' '[:upper:]' <<<"${1#--}")" %s "$2"
                shift 2
                ;;
            --help | -h) usage && exit 0 ;;
            *) usage >&2 && die "unknown argument $1" ;;
        esac
    done
    [[ $SOURCE == debian || $SOURCE == run ]] || { usage >&2 && die "--source must be debian or run"; }
}

# The pinned versions; BEE_VERSIONS names another file of them.
versions() {
    local file=${BEE_VERSIONS:-$HERE/builder/VERSIONS} name
    [[ -r $file ]] || die "cannot read $file"
    # shellcheck source=/dev/null
    source "$file"
    for name in DEBIAN_SUITE DEBIAN_KERNEL_ABI NVIDIA_DEBIAN_VERSION NVIDIA_RUN_VERSION NVIDIA_RUN_URL NVIDIA_RUN_SHA256; do
        [[ -n ${!name:-} ]] || die "$file does not say $name"
    done
    VERSION=$NVIDIA_DEBIAN_VERSION
    [[ $SOURCE == debian ]] || VERSION=$NVIDIA_RUN_VERSION
}

# What a result depends on: where this changes, it is made anew.
key() {
    {
        echo "$SOURCE $VERSION $DEBIAN_SUITE $DEBIAN_KERNEL_ABI"
        [[ $SOURCE == debian ]] || echo "$NVIDIA_RUN_SHA256"
        fabric_archive | xargs -r sha256sum
        cat "$HERE/build-nvidia-module.sh" "$HERE"/lib/nvidia-*.sh "$HERE"/lib/nvidia-patches/*
    } | digest
}

# usable FOLDER KEY: the folder is of this recipe, and every file in it is as it was made.
usable() {
    [[ -f $1/manifest ]] && grep -qxF "NVIDIA_RECIPE=$2" "$1/manifest" || return 1
    (cd "$1" && sed -n 's/^\([0-9a-f]\{64\}  \)/\1/p' manifest | sha256sum --check --quiet --strict >/dev/null 2>&1)
}

# manifest FOLDER KEY
manifest() {
    {
        echo "NVIDIA_VERSION=$VERSION"
        echo "NVIDIA_SOURCE=$SOURCE"
        echo "NVIDIA_ORIGIN=$ORIGIN"
        echo "NVIDIA_RECIPE=$2"
        echo "DEBIAN_KERNEL_ABI=$DEBIAN_KERNEL_ABI"
        (cd "$1" && find . -type f ! -name manifest -printf '%P\0' | sort -z | xargs -0 sha256sum)
    } >"$1/manifest"
}

main() {
    arguments "$@"
    versions
    ((EUID == 0)) || die "a Debian tree can be made by root only: run this with sudo"
    mkdir -p "$DIST/nvidia"
    DIST=$(cd "$DIST" && pwd) || die "cannot use $DIST"
    CACHE=$DIST/nvidia

    local result=$DIST/nvidia-$VERSION-$DEBIAN_KERNEL_ABI recipe
    recipe=$(key)
    exec {LOCK}>"$CACHE/lock"
    flock "$LOCK"
    if usable "$result" "$recipe"; then
        say "driver $VERSION for $DEBIAN_KERNEL_ABI is there already"
        echo "$result"
        return
    fi

    needs mmdebstrap:mmdebstrap unshare:util-linux dpkg-deb:dpkg patch:patch xz:xz-utils
    check_fabric_archive
    [[ -n $MIRROR ]] || MIRROR=$(debian_mirror)
    rm -rf "${CACHE:?}"/work-* # of a build that was killed: this one has the lock
    WORK=$(mktemp -d "$CACHE/work-XXXXXX")
    trap 'rm -rf "$WORK"' EXIT
    trap 'exit 143' TERM
    trap 'exit 130' INT
    chmod 0755 "$WORK"
    mkdir "$WORK/source" "$WORK/result"

    "fetch_$SOURCE"
    tools
    "unpack_$SOURCE"
    build_modules
    collect_userspace
    manifest "$WORK/result" "$recipe"

    rm -rf "$result"
    mv -T "$WORK/result" "$result"
    say "driver $VERSION for $DEBIAN_KERNEL_ABI: $(du -sh "$result" | cut -f1)"
    echo "$result"
}

main "$@"

# shellcheck shell=bash
# Steps 1 to 11: a staged overlay, made anew by every build below $WORK, with all that the image has beside Debian.

step_bee() {
    need_packages make
    make -C "$ROOT" kernels web-assets
}

step_overlay() {
    STAGED=$WORK/staged
    emptied "$STAGED"
    if [[ -d $ISO/overlay ]]; then
        cp --recursive --no-dereference --preserve=links "$ISO/overlay/." "$STAGED/"
    fi
    # Whatever the checkout's umask was: these become folders and files of a system.
    chmod -R u=rwX,go=rX "$STAGED"
}

step_access() {
    if [[ -n $AUTHORIZED_KEYS ]]; then
        install -d -m 0700 "$STAGED/root" "$STAGED/root/.ssh"
        install -m 0600 "$AUTHORIZED_KEYS" "$STAGED/root/.ssh/authorized_keys"
        tell "keys from $AUTHORIZED_KEYS; password login is off"
    else
        install -D -m 0644 /dev/stdin "$STAGED/etc/bee-password-fallback" <<'END'
This image was built without keys: it makes a password at each boot and shows it on its screens.
END
        tell "no keys given: the image will make a password at each boot and show it on its screens"
    fi
}

step_install() {
    make -C "$ROOT" install DESTDIR="$STAGED"
    [[ -z $EXPECTED ]] || stage_expected
}

stage_expected() {
    "$ROOT/.venv/bin/python" - "$EXPECTED" <<'END' || fail "--expected $EXPECTED cannot be used."
import sys
from pathlib import Path

from bee_bus.expected import read_expected

try:
    read_expected(Path(sys.argv[1]).read_text("utf-8"), sys.argv[1])
except ValueError as error:
    sys.exit(str(error))
END
    install -D -m 0644 "$EXPECTED" "$STAGED/etc/bee/expected.toml"
    tell "machines are compared with $EXPECTED"
}

VENDOR_TOOLS=(arcconf perccli64 sas2ircu sas3ircu ssacli storcli64)

step_vendor() {
    local path name found=()
    for path in "${BEE_VENDOR_DIRECTORY:-$ISO/vendor}"/*; do
        name=${path##*/}
        [[ -e $path && $name != README.md && $name != fabricmanager-*.tar.xz ]] || continue
        [[ " ${VENDOR_TOOLS[*]} " == *" $name "* ]] ||
            fail "iso/vendor/$name is not known here; these are: ${VENDOR_TOOLS[*]}."
        head -c 4 "$path" | grep -qaE $'^(\x7fELF|#!)' || fail "iso/vendor/$name is no program."
        install -D -m 0755 "$path" "$STAGED/usr/local/bin/$name"
        found+=("$name")
    done
    tell "${found[*]:-none there}"
}

# NVIDIA_FOLDER is what build-nvidia-module.sh made, or took from its cache; empty without a driver.
step_nvidia() {
    NVIDIA_FOLDER=
    if [[ $NVIDIA == none ]]; then
        tell "left out"
        return 0
    fi
    find_mirror
    NVIDIA_FOLDER=$("$ISO/build-nvidia-module.sh" --source "$NVIDIA" --mirror "$MIRROR")
    [[ -d $NVIDIA_FOLDER/modules ]] || fail "build-nvidia-module.sh named no result: '$NVIDIA_FOLDER'."
    tell "${NVIDIA_FOLDER##*/}"
}

# Not under /lib/modules: bee-nvidia.service loads them by their path, where no other kernel looks.
step_modules() {
    [[ -n $NVIDIA_FOLDER ]] || return 0
    stage_folder "$NVIDIA_FOLDER/modules" "$STAGED/usr/local/lib/nvidia"
}

step_programs() {
    [[ -n $NVIDIA_FOLDER ]] || return 0
    stage_folder "$NVIDIA_FOLDER/bin" "$STAGED/usr/local/bin"
}

step_libraries() {
    [[ -n $NVIDIA_FOLDER ]] || return 0
    stage_folder "$NVIDIA_FOLDER/lib" "$STAGED/usr/lib/x86_64-linux-gnu"
    stage_folder "$NVIDIA_FOLDER/firmware" "$STAGED/usr/lib/firmware"
    stage_folder "$NVIDIA_FOLDER/share" "$STAGED/usr/share"
    stage_folder "$NVIDIA_FOLDER/LICENSES" "$STAGED/usr/share/doc/bee-nvidia"
}

stage_folder() {  # FROM TO
    [[ -d $1 ]] || return 0
    mkdir -p "$2"
    cp --recursive --no-dereference --preserve=links,mode "$1/." "$2/"
}

step_release() {
    local commit version=none
    commit=$(git_commit)
    if [[ -n $NVIDIA_FOLDER ]]; then
        version=$(sed -n 's/^NVIDIA_VERSION=//p' "$NVIDIA_FOLDER/manifest")
        [[ -n $version ]] || fail "$NVIDIA_FOLDER/manifest names no NVIDIA_VERSION."
    fi
    install -D -m 0644 /dev/stdin "$STAGED/etc/bee-release" <<END
BEE_VERSION=$BEE_VERSION
BEE_GIT_COMMIT=$commit
BEE_BUILD_DATE=$(date --utc --date="@$SOURCE_DATE_EPOCH" +%Y-%m-%dT%H:%M:%SZ)
DEBIAN_SUITE=$DEBIAN_SUITE
DEBIAN_KERNEL_ABI=$DEBIAN_KERNEL_ABI
NVIDIA_SOURCE=$NVIDIA
NVIDIA_VERSION=$version
END
}

# The commit that the image is made from; with a mark when files differ from it.
git_commit() {
    local git=(git -c safe.directory='*' -C "$ROOT") commit
    if ! command -v git >/dev/null || ! commit=$("${git[@]}" rev-parse --short=12 HEAD 2>/dev/null); then
        echo unknown
        return 0
    fi
    [[ -z $("${git[@]}" status --porcelain 2>/dev/null) ]] || commit+=-modified
    echo "$commit"
}

step_motd() {
    local driver="no NVIDIA driver"
    [[ -z $NVIDIA_FOLDER ]] || driver="NVIDIA driver $(released NVIDIA_VERSION)"
    mkdir -p "$STAGED/etc"
    {
        echo
        echo "bee $BEE_VERSION, built $(released BEE_BUILD_DATE) from $(released BEE_GIT_COMMIT)"
        echo "kernel $DEBIAN_KERNEL_ABI, $driver"
    } >>"$STAGED/etc/motd"
}

released() {  # NAME: what /etc/bee-release of the image says
    sed -n "s/^$1=//p" "$STAGED/etc/bee-release"
}

# The kernel modules: patched where the pinned kernel asks for it, compiled, stripped, checked. Sourced by
# build-nvidia-module.sh.
# shellcheck shell=bash

# In the order in which they are loaded. The server has no screen on its GPUs: nvidia-drm is of no use, and
# nvidia-peermem refuses to load without a vendor's InfiniBand stack.
MODULES=(nvidia nvidia-uvm nvidia-modeset)
UNUSED_MODULES="nvidia-drm nvidia-peermem"

build_modules() {
    local kernel=$WORK/source/driver/kernel-open name
    apply_patches "$kernel"
    chown -R "$NOBODY:$NOBODY" "$kernel"

    say "compiling the modules for $DEBIAN_KERNEL_ABI"
    if ! in_tools driver/kernel-open make -j"$(nproc)" KERNEL_UNAME="$DEBIAN_KERNEL_ABI" KCFLAGS=-g0 \
        NV_EXCLUDE_KERNEL_MODULES="$UNUSED_MODULES" modules >"$CACHE/compile-$VERSION.log" 2>&1; then
        grep -E '(^|: )(fatal )?error: |[*]{3} ' "$CACHE/compile-$VERSION.log" | tail -n 12 >&2 || true
        die "driver $VERSION does not compile against $DEBIAN_KERNEL_ABI (log: $CACHE/compile-$VERSION.log)"
    fi

    mkdir "$WORK/result/modules"
    for name in "${MODULES[@]}"; do
        check_module "$kernel/$name.ko"
        in_tools driver/kernel-open strip --strip-debug "$name.ko"
        install -m 0644 "$kernel/$name.ko" "$WORK/result/modules/"
        echo "$name $(kernel_modules "$name")"
    done | sed 's/ *$//' >"$WORK/result/modules/load.order"
}

# Each patch begins with "Kernel: FILE TEXT": it is for kernels whose header says that text. A driver that already
# knows such a kernel does not take the patch; the compiler has the last word.
apply_patches() {
    local patch file text source=$TOOLS/usr/lib/modules/$DEBIAN_KERNEL_ABI/source
    for patch in "$HERE"/lib/nvidia-patches/*.patch; do
        read -r file text < <(sed -n '1s/^Kernel: //p' "$patch")
        grep -qF "$text" "$(readlink -f "$source")/$file" || continue
        if patch --dry-run --silent --force --strip=1 --directory="$1" <"$patch" >/dev/null; then
            say "patching: ${patch##*/}"
            patch --silent --force --strip=1 --directory="$1" <"$patch"
        else
            say "driver $VERSION does not take ${patch##*/}: it should know this kernel itself"
        fi
    done
}

# modinfo_of FIELD FILE: one field, read in the tree that built it.
modinfo_of() { in_tools driver/kernel-open modinfo -F "$1" "${2##*/}"; }

check_module() {
    local name=${1##*/} vermagic found
    [[ -f $1 ]] || die "driver $VERSION has no $name"
    vermagic=$(modinfo_of vermagic "$1")
    [[ ${vermagic%% *} == "$DEBIAN_KERNEL_ABI" ]] ||
        die "$name is built for kernel ${vermagic%% *}, the image has $DEBIAN_KERNEL_ABI"
    found=$(modinfo_of version "$1")
    [[ $found == "$VERSION" ]] || die "$name says it is of driver ${found:-(nothing)}, not of $VERSION"
}

# kernel_modules NAME: what must be loaded first and is the kernel's own, in one line.
kernel_modules() {
    { modinfo_of depends "$1.ko" && modinfo_of softdep "$1.ko" | sed -n 's/^pre: //p'; } |
        tr ', ' '\n' | { grep -vE '^(nvidia.*|)$' || true; } | sort -u | xargs
}

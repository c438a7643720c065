# shellcheck shell=bash
# Steps 12 to 14: live-build's working folder below $WORK, and live-build itself in the builder.

# What the first layer of the image is made from. The overlay's part is what the initramfs takes in.
BASE_SOURCES=(
    builder/auto
    builder/config/hooks/normal
    builder/config/includes.chroot_before_packages
    builder/config/package-lists
)
EARLY_FOLDERS=(etc/initramfs-tools etc/modprobe.d)

step_workdir() {
    LB=$WORK/work
    emptied "$LB"
    cp --recursive --no-dereference "$ISO/builder/auto" "$ISO/builder/config" "$LB/"
    cp "$VERSIONS" "$LB/VERSIONS"
    chmod -R u=rwX,go=rX "$LB"
    mkdir -p "$WORK/cache"
    ln -s ../cache "$LB/cache"
}

step_includes() {
    local folder early=$LB/config/includes.chroot_before_packages
    cp --archive "$STAGED" "$LB/config/includes.chroot"
    for folder in "${EARLY_FOLDERS[@]}"; do
        [[ -d $STAGED/$folder ]] || continue
        mkdir -p "$early/$folder"
        cp --archive "$STAGED/$folder/." "$early/$folder/"
    done
}

base_key() {
    local sources=("${BASE_SOURCES[@]/#/$ISO/}" "${EARLY_FOLDERS[@]/#/$STAGED/}")
    key "$DEBIAN_SUITE" "$DEBIAN_KERNEL_ABI" "$ARCHIVE_STATE" "$(digest "${sources[@]}")"
}

step_image() {
    local base settings
    find_mirror
    ARCHIVE_STATE=$(archive_state)
    make_builder
    base=$WORK/base-$(base_key)
    drop_others "$WORK/base-" "$base"
    [[ -e $base/ready ]] || tell "installing Debian's packages"
    settings=(
        BEE_BASE="/build/${base##*/}"
        BEE_DEBIAN_MIRROR="$MIRROR"
        BEE_ISO_COMPRESSION_LEVEL="$LEVEL"
        SOURCE_DATE_EPOCH="$SOURCE_DATE_EPOCH"
        LC_ALL=C.UTF-8
    )
    in_builder "$LB" "${settings[@]}" -- sh -ec 'lb config; lb build' || explain_image
    [[ -s $LB/bee-amd64.hybrid.iso ]] || fail "lb build left no image."
    mkdir -p "${OUTPUT%/*}"
    mv "$LB/bee-amd64.hybrid.iso" "$OUTPUT"
    rm -rf "$LB/layer" "$LB/binary"
}

# The failure that comes to every pinned version some day, in words that say how to move on.
explain_image() {
    if grep -q "Unable to locate package linux-image-$DEBIAN_KERNEL_ABI" "$STEP_LOG"; then
        fail "the archive has no kernel $DEBIAN_KERNEL_ABI any more: set DEBIAN_KERNEL_ABI in iso/builder/VERSIONS to" \
            "what follows linux-image- in the names that apt-cache search '^linux-image-[0-9].*-amd64$' lists on" \
            "a machine of Debian $DEBIAN_SUITE."
    fi
    exit 1
}

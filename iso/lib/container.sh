# shellcheck shell=bash
# The builder: a Debian tree with live-build, made by mmdebstrap and kept, in which lb runs. systemd-nspawn starts it
# from its folder; docker and podman import the same folder as an image.

BUILDER_PACKAGES=(
    apt-utils ca-certificates cpio dctrl-tools debootstrap dosfstools file grub-common grub-efi-amd64-bin
    grub-efi-amd64-signed grub-efi-ia32-bin grub-pc-bin isolinux live-build mmdebstrap mount mtools rsync shim-signed
    squashfs-tools uuid-runtime xorriso xz-utils zstd
)

# make_builder: BUILDER is the tree, made when its recipe or the archive has changed.
make_builder() {
    local recipe=(
        mmdebstrap --variant=minbase --components=main
        --aptopt='Acquire::Retries "5"' --aptopt='APT::Install-Recommends "false"'
        --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/locale/*'
        --dpkgopt='path-exclude=/usr/share/man/*' --dpkgopt=force-unsafe-io
        --include="$(IFS=,; echo "${BUILDER_PACKAGES[*]}")"
    )
    BUILDER=$WORK/builder-$(key "${recipe[@]}" "$DEBIAN_SUITE" "$ARCHIVE_STATE")
    [[ ! -e $BUILDER/.ready ]] || return 0
    tell "making the builder, once"
    need_packages mmdebstrap
    emptied "$BUILDER"
    chmod 0755 "$BUILDER"
    # Without our own descriptors: mmdebstrap needs numbers of one digit for its own.
    "${recipe[@]}" "$DEBIAN_SUITE" "$BUILDER" "$MIRROR" 3>&- 4>&- 9>&-
    touch "$BUILDER/.ready"
    drop_others "$WORK/builder-" "$BUILDER"
}

# in_builder FOLDER NAME=VALUE... -- COMMAND...: run it in the builder, where FOLDER (below $WORK) is the working
# directory and $WORK is /build.
in_builder() {
    local folder=/build${1#"$WORK"} settings=() setting
    shift
    while [[ $1 != -- ]]; do
        settings+=("$1")
        shift
    done
    shift
    for setting in http_proxy https_proxy no_proxy; do
        [[ -z ${!setting:-} ]] || settings+=("$setting=${!setting}")
    done
    case $ENGINE in
        nspawn) in_nspawn "$folder" "$@" ;;
        docker | podman) in_engine "$folder" "$@" ;;
    esac
}

in_nspawn() {
    local folder=$1
    shift
    need_packages systemd-container
    systemd-nspawn --quiet --register=no --keep-unit --capability=all --console=pipe --resolv-conf=copy-host \
        --directory="$BUILDER" --bind="$WORK:/build" --chdir="$folder" \
        "${settings[@]/#/--setenv=}" "$@" &
    await_container
}

in_engine() {
    local folder=$1 image setting words=()
    shift
    command -v "$ENGINE" >/dev/null || fail "$ENGINE is not installed."
    image=bee-iso-builder:${BUILDER##*-}
    if ! "$ENGINE" image inspect "$image" >/dev/null 2>&1; then
        tar --create --one-file-system --directory="$BUILDER" . | "$ENGINE" import - "$image"
    fi
    for setting in "${settings[@]}"; do
        words+=(--env "$setting")
    done
    # The first process of a container hears only what it listens to, and all others end with it. Not by --init: what that
    # needs is not installed with every engine.
    # shellcheck disable=SC2016
    words+=("$image" sh -c 'trap "exit 143" TERM INT; "$@" & wait $!' sh "$@")
    "$ENGINE" run --rm --privileged --network=host --volume="$WORK:/build" --workdir="$folder" "${words[@]}" &
    await_container
}

# In the background and awaited, so that a signal to this shell is heard at once and takes the container along.
await_container() {
    CONTAINER=$!
    trap 'STEP_TROUBLE="asked to end"; end_container; exit 143' TERM
    trap 'STEP_TROUBLE="interrupted"; end_container; exit 130' INT
    local status=0
    wait "$CONTAINER" || status=$?
    trap 'STEP_TROUBLE="interrupted"; exit 130' INT
    trap 'STEP_TROUBLE="asked to end"; exit 143' TERM
    return "$status"
}

end_container() {
    kill -TERM "$CONTAINER" 2>/dev/null || return 0
    wait "$CONTAINER" 2>/dev/null || true
}

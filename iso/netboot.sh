#!/bin/bash
# netboot.sh: what booting the live image over the network takes, from the image alone. `--help` says the rest.
set -euo pipefail
umask 022

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
# A switch may take long to let a port talk that has just come up, and the bigger network cards take long to start.
DHCP_SECONDS=60

usage() {
    cat <<'END'
usage: iso/netboot.sh IMAGE URL FOLDER

Fills FOLDER with what machines need that boot IMAGE over the network: boot.ipxe for iPXE, the kernel, its initramfs, and
the image. Serve FOLDER as URL with any web server, and let DHCP name URL/boot.ipxe to iPXE. Each machine copies
the image to its memory; nothing is asked of the server afterwards.

  iso/netboot.sh dist/bee-0.1.0-amd64.iso http://192.168.7.1/bee /var/www/html/bee

Boot loaders other than iPXE (GRUB, PXELINUX) take the kernel's line from boot.ipxe, with BOOTIF= as they spell it.
The image holds whatever its builder put in (keys, expected parts); over plain HTTP everybody on the segment can read it.
Exit status: 0 FOLDER is whole; 1 it could not be made, and is as it was; 2 bad usage.
END
}

refuse() {
    echo "netboot.sh: $*" >&2
    exit 2
}

fail() {
    echo "netboot.sh: $*" >&2
    exit 1
}

read_arguments() {
    if [[ ${1:-} == --help || ${1:-} == -h ]]; then
        usage
        exit 0
    fi
    (($# == 3)) || refuse "it takes an image, an address and a folder; --help says which."
    IMAGE=$1 URL=${2%/} FOLDER=$3
    [[ -f $IMAGE && -r $IMAGE ]] || refuse "$IMAGE: this is no file that can be read."
    [[ $IMAGE == *.iso ]] || refuse "$IMAGE: live-boot takes an image by the end of its name, which must be .iso."
    # What live-boot hands to wget and the kernel's line can hold.
    [[ $URL =~ ^http://[A-Za-z0-9._:/~%-]+$ ]] || refuse "the address must be an http:// one without spaces, not '$2'."
    [[ ! -e $FOLDER || -d $FOLDER ]] || refuse "$FOLDER: this is no folder."
    [[ ${IMAGE##*/} =~ ^[A-Za-z0-9._~-]+$ ]] || refuse "$IMAGE: its name must do in an address; rename it."
}

# extract PATH FILE: a file of the image.
extract() {
    xorriso -osirrox on -indev "$IMAGE" -extract "$1" "$2" >"$NEW/xorriso.log" 2>&1 ||
        fail "$IMAGE: $1 cannot be read from it: $(tail -n 1 "$NEW/xorriso.log")"
    chmod 644 "$2"
}

# The words for the kernel as the image's own menu has them: its first entry.
read_menu() {
    local menu=$NEW/grub.cfg line
    extract /boot/grub/grub.cfg "$menu"
    line=$(grep -m 1 -E '^[[:space:]]*linux[[:space:]]' "$menu") || fail "$IMAGE: its menu names no kernel."
    read -r _ KERNEL WORDS <<<"$line"
    line=$(grep -m 1 -E '^[[:space:]]*initrd[[:space:]]' "$menu") || fail "$IMAGE: its menu names no initramfs."
    read -r _ INITRD _ <<<"$line"
    # What GRUB would fill in there is about files on disks.
    WORDS=$(sed -E 's/(^| )[^ ]*\$[^ ]*//g' <<<"$WORDS")
    [[ " $WORDS " == *" boot=live "* ]] || fail "$IMAGE: this is no live image of bee."
}

write_script() {
    local kernel=${KERNEL##*/} initrd=${INITRD##*/}
    cat >"$NEW/boot.ipxe" <<END
#!ipxe
# The live image ${IMAGE##*/}, as served from $URL.
kernel $URL/$kernel initrd=$initrd $WORDS fetch=$URL/${IMAGE##*/} BOOTIF=01-\${mac:hexhyp} ethdevice-timeout=$DHCP_SECONDS
initrd --name $initrd $URL/$initrd
boot
END
}

main() {
    read_arguments "$@"
    "$ROOT/.ci/packages" xorriso >&2
    command -v xorriso >/dev/null || fail "it needs xorriso, of the Debian package of that name."
    mkdir -p "$FOLDER" || fail "$FOLDER cannot be made."
    NEW=$(mktemp -d "$FOLDER/.new-XXXXXX") || fail "$FOLDER cannot be written to."
    trap 'rm -rf "$NEW"' EXIT
    read_menu
    extract "$KERNEL" "$NEW/${KERNEL##*/}"
    extract "$INITRD" "$NEW/${INITRD##*/}"
    cp --reflink=auto "$IMAGE" "$NEW/${IMAGE##*/}"
    chmod 644 "$NEW/${IMAGE##*/}"
    write_script
    rm -f "$NEW/xorriso.log" "$NEW/grub.cfg"
    # The script last: it names the others.
    mv -f "$NEW/${KERNEL##*/}" "$NEW/${INITRD##*/}" "$NEW/${IMAGE##*/}" "$FOLDER/"
    mv -f "$NEW/boot.ipxe" "$FOLDER/"
    echo "$FOLDER is ready to be served as $URL; machines boot $URL/boot.ipxe"
}

main "$@"

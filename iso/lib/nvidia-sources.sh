# Where the driver comes from. Sourced by build-nvidia-module.sh.
#
# Each source is fetched and checked first, because that fails soonest. Unpacked, each leaves the same behind:
# $WORK/source/driver with the kernel-open folder, and beside it, flat, the libraries, programs and firmware;
# $WORK/source/licenses; and ORIGIN, what exactly it was made from.
# shellcheck shell=bash disable=SC2034

DEBIAN_PACKAGES=(firmware-nvidia-gsp libcuda1 libnvidia-ml1 libnvidia-nvvm4 libnvidia-pkcs11-openssl3
    libnvidia-ptxjitcompiler1 nvidia-driver-bin nvidia-open-kernel-source nvidia-smi)

fetch_debian() {
    local package found
    say "Debian's packages of the driver"
    fetch "$WORK/debs" "${DEBIAN_PACKAGES[@]}" || die "the archive has not all of the driver: ${DEBIAN_PACKAGES[*]}"
    for package in "$WORK"/debs/*.deb; do
        found=$(dpkg-deb --field "$package" Version)
        [[ $found == "$VERSION"-* ]] ||
            die "the archive has ${package##*/}, not $VERSION: write ${found%-*} into NVIDIA_DEBIAN_VERSION in iso/builder/VERSIONS"
    done
    ORIGIN="Debian $DEBIAN_SUITE, driver packages $found"
}

unpack_debian() {
    local tree=$WORK/tree driver=$WORK/source/driver package
    mkdir -p "$driver" "$WORK/source/licenses"
    for package in "$WORK"/debs/*.deb; do
        dpkg-deb --extract "$package" "$tree"
    done
    find "$tree/usr/lib" -type f \( -name 'lib*.so.*' -o -name 'nvidia-*' -o -name 'gsp_*.bin' \) ! -name '*.gz' \
        -exec cp -t "$driver" {} +
    for package in "$tree"/usr/share/doc/*/copyright; do
        cp "$package" "$WORK/source/licenses/$(basename "$(dirname "$package")").copyright"
    done
    tar --extract --xz --no-same-owner --file "$tree/usr/src/nvidia-open-kernel.tar.xz" --directory "$WORK/source"
    mv "$WORK/source/modules/nvidia-open-kernel" "$driver/kernel-open" ||
        die "Debian's nvidia-open-kernel-source has no modules/nvidia-open-kernel in its archive"
}

# NVIDIA's archive is a shell script with the files behind it. Nothing of it is run before its sha256 is the pinned
# one, and then only what unpacks it: as nobody, without a network, in a tree that holds nothing of this machine.
fetch_run() {
    RUN=$CACHE/${NVIDIA_RUN_URL##*/}
    [[ -f $RUN ]] || download "$RUN"
    [[ $(sha256 "$RUN") == "$NVIDIA_RUN_SHA256" ]] ||
        die "$RUN is not the pinned one: its sha256 is $(sha256 "$RUN"), NVIDIA_RUN_SHA256 in iso/builder/VERSIONS is" \
            "$NVIDIA_RUN_SHA256. Nothing of it was run. Remove it, or correct the pin"
    ORIGIN="${RUN##*/} sha256:$NVIDIA_RUN_SHA256"
}

unpack_run() {
    local name=${RUN##*/} unpacked
    say "unpacking $name"
    mkdir "$WORK/source/run" "$WORK/source/licenses"
    cp "$RUN" "$WORK/source/driver.run"
    chown "$NOBODY:$NOBODY" "$WORK/source/run"
    logged "$WORK/extract.log" in_tools run sh /work/driver.run --extract-only || die "$name could not be unpacked"
    unpacked=$(find "$WORK/source/run" -mindepth 1 -maxdepth 1 -type d)
    [[ -d $unpacked/kernel-open ]] || die "$name holds no kernel-open: not a driver with open modules"
    mv -T "$unpacked" "$WORK/source/driver"
    [[ -f $WORK/source/driver/LICENSE ]] || die "$name holds no LICENSE: without one nothing of it may be passed on"
    cp "$WORK/source/driver/LICENSE" "$WORK/source/licenses/NVIDIA-LICENSE"
    find "$WORK/source/driver" -mindepth 2 -maxdepth 2 -type f -path '*/firmware/gsp_*.bin' \
        -exec mv -t "$WORK/source/driver" {} +
}

sha256() { sha256sum "$1" | cut -d' ' -f1; }

# download FILE: it is there only when it is whole.
download() {
    needs curl:curl
    say "fetching $NVIDIA_RUN_URL"
    if ! curl --fail --silent --show-error --location --retry 3 --output "$1.partial" "$NVIDIA_RUN_URL"; then
        rm -f "$1.partial"
        die "$NVIDIA_RUN_URL cannot be fetched from here. It may also be put by hand at $1"
    fi
    mv "$1.partial" "$1"
}

# The driver's other half: libraries, programs, firmware, licences. Sourced by build-nvidia-module.sh.
# shellcheck shell=bash

# What bee and people ask for; what these load comes along.
LIBRARIES=(libnvidia-ml libcuda libnvidia-ptxjitcompiler)
PROGRAMS=(nvidia-smi nvidia-bug-report.sh nvidia-debugdump nvidia-modprobe)
REQUIRED_PROGRAMS=" nvidia-smi nvidia-bug-report.sh "

# Libraries of Debian that the image has anyway.
SYSTEM_LIBRARIES='^(lib(c|m|dl|rt|pthread|crypto|gcc_s|stdc\+\+)\.so\.[0-9]+|ld-linux-x86-64\.so\.2)$'

collect_userspace() {
    say "libraries, programs and firmware"
    mkdir -p "$WORK"/result/{lib,bin,LICENSES,"firmware/nvidia/$VERSION"}
    collect_libraries
    collect_programs
    collect_firmware
    collect_fabric_manager
    find "$WORK/source/licenses" -type f -exec install -m 0644 -t "$WORK/result/LICENSES" {} +
    [[ -n $(ls "$WORK/result/LICENSES") ]] || die "the driver came without its licence"
}

collect_libraries() {
    local name
    for name in "${LIBRARIES[@]}"; do
        add_library "$name.so.$VERSION"
    done
}

# add_library FILE: it, the link by which it is found, and NVIDIA's libraries that it names.
add_library() {
    local file=$WORK/source/driver/$1 soname other
    [[ ! -e $WORK/result/lib/$1 ]] || return 0
    [[ -f $file ]] || die "the driver has no $1"
    soname=$(dynamic SONAME "$1")
    [[ $soname == "${1%%.so.*}".so.* ]] || die "$1 calls itself ${soname:-(nothing)}"
    install -m 0644 "$file" "$WORK/result/lib/$1"
    [[ $soname == "$1" ]] || ln -s "$1" "$WORK/result/lib/$soname"
    check_needed "$1"

    while read -r other; do
        other=${other%%.so*}.so.$VERSION
        [[ ! -f $WORK/source/driver/$other ]] || add_library "$other"
    done < <(grep -aoE 'libnvidia-[a-z0-9-]+\.so\.[0-9.]+' "$file" | sort -u)
}

# dynamic TAG FILE: the names of one kind in an ELF file's dynamic section.
dynamic() { in_tools driver readelf --dynamic --wide "$2" | sed -n "s/.*($1).*\[\(.*\)\]/\1/p"; }

# check_needed FILE: all that it is linked with is in the image.
check_needed() {
    local needed
    while read -r needed; do
        [[ $needed =~ $SYSTEM_LIBRARIES || -f $WORK/source/driver/${needed%%.so.*}.so.$VERSION ]] ||
            die "$1 needs $needed, which neither the driver nor the image has"
    done < <(dynamic NEEDED "$1")
}

collect_programs() {
    local name file
    for name in "${PROGRAMS[@]}"; do
        file=$WORK/source/driver/$name
        if [[ -f $file ]]; then
            # Never setuid, as NVIDIA's installer makes nvidia-modprobe: all device nodes are made at boot.
            install -m 0755 "$file" "$WORK/result/bin/$name"
        elif [[ $REQUIRED_PROGRAMS == *" $name "* ]]; then
            die "the driver has no $name"
        fi
    done
    grep -qaF "$VERSION" "$WORK/result/bin/nvidia-smi" || die "nvidia-smi is not of driver $VERSION"
    grep -qaF "$VERSION" "$WORK/result/lib/libnvidia-ml.so.1" || die "libnvidia-ml.so.1 is not of driver $VERSION"
}

# The open modules run no GPU without it.
collect_firmware() {
    local files=("$WORK"/source/driver/gsp_*.bin)
    [[ -f ${files[0]} ]] || die "the driver has no GSP firmware (gsp_*.bin), without which the open modules run no GPU"
    install -m 0644 -t "$WORK/result/firmware/nvidia/$VERSION" "${files[@]}"
}

# Fabric Manager, which machines with NVSwitches need, is in no driver and not in Debian. Where somebody has put
# NVIDIA's archive of it beside the other vendors' tools, it comes along.
fabric_archive() { find "${BEE_VENDOR_DIRECTORY:-$HERE/vendor}" -maxdepth 1 -name 'fabricmanager-linux-x86_64-*.tar.xz'; }

check_fabric_archive() {
    local archive
    archive=$(fabric_archive)
    [[ -z $archive || ${archive##*/} == "fabricmanager-linux-x86_64-$VERSION-archive.tar.xz" ]] ||
        die "${archive##*/} is not of driver $VERSION, and Fabric Manager works with its own version only"
}

collect_fabric_manager() {
    local archive unpacked=$WORK/source/fabric share=$WORK/result/share/nvidia/nvswitch
    archive=$(fabric_archive)
    [[ -n $archive ]] || return 0
    say "Fabric Manager"
    mkdir -p "$unpacked" "$share"
    tar --extract --xz --no-same-owner --strip-components=1 --file "$archive" --directory "$unpacked" ||
        die "$archive cannot be unpacked"
    cp "$unpacked/bin/nv-fabricmanager" "$WORK/source/driver/" || die "$archive holds no bin/nv-fabricmanager"
    check_needed nv-fabricmanager
    install -m 0755 "$unpacked/bin/nv-fabricmanager" "$WORK/result/bin/"
    install -m 0644 -t "$share" "$unpacked/etc/fabricmanager.cfg" "$unpacked"/share/nvidia/nvswitch/* ||
        die "$archive holds no fabricmanager.cfg or no topologies"
    cp "$unpacked/LICENSE" "$WORK/source/licenses/fabricmanager-LICENSE" || die "$archive holds no LICENSE"
}

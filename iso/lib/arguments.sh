# shellcheck shell=bash disable=SC2016,SC2034  # the dollars are apt's own; what is found out here, the other files of iso/lib use
# What the build is asked for: the command line, iso/builder/VERSIONS, and where packages come from. Whatever is wrong
# is said in a sentence, and ends with status 2 before anything is done.

usage() {
    cat <<'END'
usage: iso/build-in-container.sh [OPTION]...

Builds dist/bee-VERSION-amd64.iso: one bootable image of Debian with bee inside, for BIOS and UEFI, from USB and CD.

  --authorized-keys FILE   OpenSSH public keys that may log in as root and as bee over SSH. Without it the image
                           carries the password marker: it makes a password at each boot and shows it on its screens.
  --expected FILE          what the machines must have (bee(1), EXPECTED PARTS): each audit compares them with it
  --nvidia run|debian|none the driver: NVIDIA's own archive, Debian's packages, or no driver (default: run)
  --mirror URL             the Debian archive to install from (default: $BEE_DEBIAN_MIRROR, or the one that apt on
                           this machine uses); the image does not name it
  --engine nspawn|docker|podman
                           what the builder runs in (default: nspawn); nothing is pulled from an image registry
  --output FILE            where the image goes (default: dist/bee-VERSION-amd64.iso)
  --help                   this text

Environment:
  BEE_ISO_COMPRESSION_LEVEL  zstd level of the image, 1 (quick) to 22 (default: 19)
  BEE_ISO_DIRECTORY          where work and caches are kept (default: dist/iso); deleting it costs time, nothing else
  BEE_VERSIONS               a file to read in place of iso/builder/VERSIONS
  SOURCE_DATE_EPOCH          the build's date (default: now)

Needs root and Debian 12 or newer; what is missing of mmdebstrap, systemd-container, make and openssh-client is installed.
Exit status: 0 the image is there; 1 a step failed (its name and log are said); 2 bad usage.
END
}

refuse() {
    echo "build-in-container.sh: $*" >&2
    exit 2
}

read_arguments() {
    AUTHORIZED_KEYS=
    EXPECTED=
    NVIDIA=run
    MIRROR=${BEE_DEBIAN_MIRROR:-}
    ENGINE=nspawn
    OUTPUT=
    LEVEL=${BEE_ISO_COMPRESSION_LEVEL:-19}
    while (($#)); do
        local name=${1%%=*} value
        case $name in
            --help | -h)
                usage
                exit 0
                ;;
            --authorized-keys | --expected | --nvidia | --mirror | --engine | --output) ;;
            *) refuse "$1 is no option of this program; --help lists them." ;;
        esac
        if [[ $1 == *=* ]]; then
            value=${1#*=}
            shift
        else
            (($# >= 2)) || refuse "$name needs a value; --help says which."
            value=$2
            shift 2
        fi
        [[ -n $value ]] || refuse "$name needs a value that is not empty."
        case $name in
            --authorized-keys) AUTHORIZED_KEYS=$value ;;
            --expected) EXPECTED=$value ;;
            --nvidia) NVIDIA=$value ;;
            --mirror) MIRROR=$value ;;
            --engine) ENGINE=$value ;;
            --output) OUTPUT=$value ;;
        esac
    done
    [[ $NVIDIA =~ ^(run|debian|none)$ ]] || refuse "--nvidia is run, debian or none, not '$NVIDIA'."
    [[ $ENGINE =~ ^(nspawn|docker|podman)$ ]] || refuse "--engine is nspawn, docker or podman, not '$ENGINE'."
    [[ -z $MIRROR || $MIRROR =~ ^https?://[^[:space:]\'\"]+$ ]] ||
        refuse "--mirror is the http or https address of a Debian archive, not '$MIRROR'."
    [[ $LEVEL =~ ^([1-9]|1[0-9]|2[0-2])$ ]] ||
        refuse "BEE_ISO_COMPRESSION_LEVEL is a number from 1 to 22, not '$LEVEL'."
    [[ -z ${SOURCE_DATE_EPOCH:-} || $SOURCE_DATE_EPOCH =~ ^[0-9]+$ ]] ||
        refuse "SOURCE_DATE_EPOCH is a number of seconds, not '$SOURCE_DATE_EPOCH'."
    SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(date +%s)}
    export SOURCE_DATE_EPOCH
    [[ -z $OUTPUT ]] || check_output
    [[ -z $AUTHORIZED_KEYS ]] || check_keys
    [[ -z $EXPECTED ]] || check_expected
}

check_output() {
    [[ $OUTPUT == *.iso ]] || refuse "--output is a file whose name ends in .iso, not '$OUTPUT'."
    [[ ! -d $OUTPUT ]] || refuse "--output $OUTPUT is a folder."
    OUTPUT=$(realpath -m "$OUTPUT")
}

# What is in it, bee itself checks once it is built.
check_expected() {
    [[ -e $EXPECTED ]] || refuse "--expected $EXPECTED: there is no such file."
    [[ -f $EXPECTED && -r $EXPECTED ]] || refuse "--expected $EXPECTED: this is no file that can be read."
    EXPECTED=$(realpath "$EXPECTED")
}

# Every line that is no comment must be a public key: a file with one typing error would lock its owner out of a machine
# that may be in another town.
check_keys() {
    local file=$AUTHORIZED_KEYS line number=0 keys=0
    [[ -e $file ]] || refuse "--authorized-keys $file: there is no such file."
    [[ -f $file && -r $file ]] || refuse "--authorized-keys $file: this is no file that can be read."
    if grep -q 'PRIVATE KEY' "$file"; then
        refuse "--authorized-keys $file: this is a private key; the image takes the public one, usually $file.pub."
    fi
    need_packages openssh-client
    command -v ssh-keygen >/dev/null || refuse "--authorized-keys needs ssh-keygen, of Debian's openssh-client."
    while IFS= read -r line || [[ -n $line ]]; do
        number=$((number + 1))
        [[ $line =~ ^[[:space:]]*(#|$) ]] && continue
        ssh-keygen -l -f /dev/stdin <<<"$line" >/dev/null 2>&1 ||
            refuse "--authorized-keys $file: line $number is no OpenSSH public key."
        keys=$((keys + 1))
    done <"$file"
    ((keys)) || refuse "--authorized-keys $file: there is no key in it."
    AUTHORIZED_KEYS=$(realpath "$file")
}

read_versions() {
    local file=${BEE_VERSIONS:-$ISO/builder/VERSIONS} line name
    [[ -r $file ]] || refuse "$file: the file of versions cannot be read."
    while IFS= read -r line || [[ -n $line ]]; do
        [[ $line =~ ^[[:space:]]*(#|$) ]] && continue
        [[ $line =~ ^[A-Z][A-Z0-9_]*=[A-Za-z0-9.+:/_~-]+$ ]] || refuse "$file: '$line' is not NAME=value."
    done <"$file"
    # shellcheck source=iso/builder/VERSIONS
    . "$file"
    for name in DEBIAN_SUITE DEBIAN_KERNEL_ABI; do
        [[ -n ${!name:-} ]] || refuse "$file: $name is missing."
    done
    [[ $DEBIAN_KERNEL_ABI =~ ^[0-9].*-amd64$ ]] ||
        refuse "$file: DEBIAN_KERNEL_ABI is what follows linux-image- in a package's name and ends in -amd64, not '$DEBIAN_KERNEL_ABI'."
    VERSIONS=$(realpath "$file")
    BEE_VERSION=$(sed -n 's/^VERSION = "\(.*\)"$/\1/p' "$ROOT/dbus/bee_bus/version.py")
    OUTPUT=${OUTPUT:-$ROOT/dist/bee-$BEE_VERSION-amd64.iso}
}

need_packages() {
    "$ROOT/.ci/packages" "$@" >&2
}

# The archive that apt on this machine has its own release from.
find_mirror() {
    [[ -z $MIRROR ]] || return 0
    local codename release component created uri
    # shellcheck source=/dev/null
    codename=$(. /etc/os-release && echo "${VERSION_CODENAME:-}")
    while read -r release component created uri; do
        if [[ $release == "$codename" && $component == main && $created == Packages ]]; then
            MIRROR=$uri
            return 0
        fi
    done < <(apt-get indextargets --format '$(RELEASE) $(COMPONENT) $(CREATED_BY) $(REPO_URI)')
    fail "apt on this machine knows no Debian archive; name one with --mirror."
}

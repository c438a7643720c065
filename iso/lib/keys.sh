# shellcheck shell=bash
# Cache keys: what a cached result depends on, as one short hash. A result is used again exactly when its key is the same.

# key WORD...: sixteen hex digits of these words.
key() {
    printf '%s\0' "$@" | sha256sum | cut -c1-16
}

# digest PATH...: one hash of all files below these, with their names, modes and sizes. What is not there counts as
# nothing, and where the checkout lies does not count.
digest() {
    local path
    for path in "$@"; do
        [[ -e $path ]] || continue
        find "$path" ! -type d -printf '%P %m %s %l\n' | LC_ALL=C sort
        find "$path" -type f -print0 | LC_ALL=C sort --zero-terminated | xargs --null --no-run-if-empty cat
    done | sha256sum | cut -c1-64
}

# The state of the archive: it changes with every point release, and so does what is built from it.
archive_state() {
    local file=$WORK/InRelease
    /usr/lib/apt/apt-helper download-file "${MIRROR%/}/dists/$DEBIAN_SUITE/InRelease" "$file.new" >&2 ||
        fail "the archive $MIRROR gives no dists/$DEBIAN_SUITE/InRelease; --mirror names another."
    mv "$file.new" "$file"
    sha256sum <"$file" | cut -c1-64
}

# drop_others PREFIX KEEP: of the caches of one kind only the one in use stays.
drop_others() {
    local path
    for path in "$1"*; do
        [[ -e $path && $path != "$2" ]] || continue
        rm -rf "$path"
    done
}

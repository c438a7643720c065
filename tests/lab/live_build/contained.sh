# shellcheck shell=bash
# contained FOLDER SETTINGS... -- COMMAND...: run it there with these variables alone; all of it ends when this is told to.
contained() {
    local folder=$1 settings=()
    shift
    while [[ $1 != -- ]]; do
        settings+=("$1")
        shift
    done
    shift
    cd "$folder" || exit 1
    set -m
    env -i PATH="$PATH" LAB_CALLS="$LAB_CALLS" LAB_LB_FAILS="${LAB_LB_FAILS-}" LAB_LB_WAITS="${LAB_LB_WAITS-}" \
        "${settings[@]}" "$@" &
    trap 'kill -KILL -- -$!; wait; exit 1' TERM
    wait $!
}

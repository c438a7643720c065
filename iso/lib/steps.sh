# shellcheck shell=bash
# The steps: their number, name and time on the terminal, what they say in a log of their own, and what is told when one
# fails. A step is a function; it runs in this shell (what it finds out, later steps know) with its output in the log.

STEP_COUNT=14
STEP_NUMBER=0
STEP_NAME=
STEP_LOG=
STEP_TROUBLE=

begin_work() {
    ((EUID == 0)) || {
        echo "build-in-container.sh: this needs root: it makes a Debian tree and mounts file systems." >&2
        exit 1
    }
    WORK=$(realpath -m "${BEE_ISO_DIRECTORY:-$ROOT/dist/iso}")
    LOGS=$WORK/logs
    mkdir -p "$LOGS"
    exec 3>&1 4>&2
    exec 9>"$WORK/lock"
    if ! flock --nonblock 9; then
        tell "another build is at work in $WORK; waiting for it"
        flock 9
    fi
    rm -f "$LOGS"/*.log
    BEGIN=$SECONDS
    trap 'ended $?' EXIT
    trap 'STEP_TROUBLE="interrupted"; exit 130' INT
    trap 'STEP_TROUBLE="asked to end"; exit 143' TERM
}

# step NAME WHAT FUNCTION
step() {
    STEP_NUMBER=$((STEP_NUMBER + 1))
    STEP_NAME=$1
    STEP_LOG=$(printf '%s/%02d-%s.log' "$LOGS" "$STEP_NUMBER" "$1")
    STEP_TROUBLE=
    local began=$SECONDS
    printf '[%2d/%d] %-10s  %s\n' "$STEP_NUMBER" "$STEP_COUNT" "$1" "$2" >&3
    exec >"$STEP_LOG" 2>&1 </dev/null
    "$3"
    exec >&3 2>&4
    printf '%19s done in %d s\n' '' $((SECONDS - began)) >&3
    STEP_NAME=
}

# A line for the person who waits, from inside a step too.
tell() {
    printf '%19s %s\n' '' "$*" >&3
}

# fail SENTENCE: end the step, and the build, with this as its reason.
fail() {
    STEP_TROUBLE=$*
    echo "$*" >&2
    exit 1
}

ended() {
    local status=$1
    trap - EXIT INT TERM
    ((status)) && [[ -n $STEP_NAME ]] || exit "$status"
    exec >&3 2>&4
    if [[ -z $STEP_TROUBLE ]]; then
        # The last thing that a program said is the best reason there is; what live-build and nspawn say on leaving is none.
        STEP_TROUBLE=$(grep -v -e '^[[:space:]]*$' -e '^P: ' -e '^E: An unexpected failure' \
            -e '^Attempted to remove disk file system' "$STEP_LOG" | tail -n 1) || true
        STEP_TROUBLE=${STEP_TROUBLE:-a command ended with status $status}
    fi
    echo "build-in-container.sh: step $STEP_NAME failed: $STEP_TROUBLE (log: $STEP_LOG)" >&2
    ((status > 128)) || status=1
    exit "$status"
}

end_work() {
    tell "$OUTPUT"
    tell "$(du -h --apparent-size "$OUTPUT" | cut -f1), in $((SECONDS - BEGIN)) s"
}

# emptied FOLDER: a new, empty folder there. Refuses while something is mounted below: that would be emptied too.
emptied() {
    if grep -qF " $1/" /proc/self/mounts; then
        fail "$1: something is still mounted below; umount it first (grep $1 /proc/mounts)."
    fi
    rm -rf "$1"
    mkdir -p "$1"
}

# bash completion for bee: the program itself says what can follow, by argcomplete's protocol.

_bee() {
    local IFS=$'\013' suppress=
    if compopt +o nospace 2>/dev/null; then
        suppress=1
    fi
    mapfile -d "$IFS" -t COMPREPLY < <(
        _ARGCOMPLETE=1 _ARGCOMPLETE_SHELL=bash _ARGCOMPLETE_IFS="$IFS" _ARGCOMPLETE_SUPPRESS_SPACE="$suppress" \
            _ARGCOMPLETE_COMP_WORDBREAKS="$COMP_WORDBREAKS" \
            COMP_LINE="$COMP_LINE" COMP_POINT="$COMP_POINT" COMP_TYPE="$COMP_TYPE" \
            "$1" 8>&1 9>/dev/null 1>/dev/null 2>&1
    )
    if [[ $suppress && ${COMPREPLY-} =~ [=/:]$ ]]; then
        compopt -o nospace
    fi
}

complete -o nospace -o default -o bashdefault -F _bee bee

# shellcheck shell=sh
# For ~/.profile of the user whom the live system logs in on its console: the menu of bee comes up there.
# Every other terminal gets a shell, where people type: menu
if [ -z "${BEE_MENU:-}" ] && [ "$(tty)" = /dev/tty1 ] && command -v menu >/dev/null; then
    menu
fi

# shellcheck shell=sh
# The tools for hardware (smartctl, nvme, ipmitool) are in the folders that Debian gives root alone.
case ":$PATH:" in
    *:/usr/sbin:*) ;;
    *) PATH="$PATH:/usr/local/sbin:/usr/sbin:/sbin" ;;
esac
export PATH

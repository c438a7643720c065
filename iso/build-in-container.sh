#!/bin/bash
# build-in-container.sh: the live image of bee, on any Debian machine with root. Fourteen steps, each with a log; what
# has not changed is taken from dist/iso. `--help` says the rest.
set -euo pipefail
umask 022

ISO=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
ROOT=${ISO%/*}

# shellcheck source=iso/lib/arguments.sh
. "$ISO/lib/arguments.sh"
# shellcheck source=iso/lib/steps.sh
. "$ISO/lib/steps.sh"
# shellcheck source=iso/lib/keys.sh
. "$ISO/lib/keys.sh"
# shellcheck source=iso/lib/container.sh
. "$ISO/lib/container.sh"
# shellcheck source=iso/lib/stage.sh
. "$ISO/lib/stage.sh"
# shellcheck source=iso/lib/image.sh
. "$ISO/lib/image.sh"

read_arguments "$@"
read_versions
begin_work

step bee          "build what bee is made of"            step_bee
step overlay      "stage a copy of iso/overlay"          step_overlay
step access       "keys, or the password marker"         step_access
step install      "install bee into the staged overlay"  step_install
step vendor       "tools from iso/vendor"                step_vendor
step nvidia       "NVIDIA's driver for the pinned kernel" step_nvidia
step modules      "NVIDIA's kernel modules"              step_modules
step nvidia-smi   "NVIDIA's programs"                    step_programs
step libraries    "NVIDIA's libraries and firmware"      step_libraries
step release      "/etc/bee-release"                     step_release
step motd         "what the login says"                  step_motd
step workdir      "a copy of iso/builder"                step_workdir
step includes     "the overlay into the copy"            step_includes
step image        "lb config, lb build"                  step_image

end_work

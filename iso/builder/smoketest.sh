#!/bin/sh
# smoketest.sh: is this booted machine what the image promises? From anywhere: ssh root@HOST 'sh -s' < smoketest.sh
#
# One line for each question: PASS, FAIL or SKIP, with what was seen. SKIP has its reason, and is not a PASS.
# Exit status: 0 when nothing has failed, 1 when something has, 2 when it cannot ask (not root). Nothing that it
# changes lasts.

passed=0
failed=0
skipped=0

pass() {
    passed=$((passed + 1))
    echo "PASS  $*"
}

fail() {
    failed=$((failed + 1))
    echo "FAIL  $*"
}

skip() {
    skipped=$((skipped + 1))
    echo "SKIP  $*"
}

# The script itself comes by standard input: nothing that it starts may read there, and nothing may hang.
ask() {
    timeout 30 "$@" </dev/null 2>&1
}

# One line of many, for a report of one line each.
line() {
    printf '%s' "$*" | tr -s '\n\t ' ' ' | cut -c 1-300
}

# A value of /etc/bee-release.
release() {
    sed -n "s/^$1=//p" /etc/bee-release 2>/dev/null | tr -d "\"'" | tail -n 1
}

# NVIDIA's devices of some PCI classes, whatever any driver says.
pci_devices() {
    for device in /sys/bus/pci/devices/*; do
        [ "$(cat "$device/vendor" 2>/dev/null)" = 0x10de ] || continue
        class=$(cat "$device/class" 2>/dev/null)
        for wanted in "$@"; do
            case $class in "$wanted"*) echo "${device##*/}" ;; esac
        done
    done
}

check_release() {
    version=$(release BEE_VERSION)
    echo "      $(hostname): bee ${version:-of unknown version}, kernel $(uname -r), NVIDIA ${nvidia:-none}"
}

check_nvidia_modules() {
    if [ -z "$gpus" ]; then
        skip "nvidia-modules: PCI shows no NVIDIA GPU"
        return
    fi
    missing=
    for module in nvidia nvidia_uvm; do
        [ -d "/sys/module/$module" ] || missing="$missing module $module,"
    done
    for node in /dev/nvidiactl /dev/nvidia-uvm; do
        [ -c "$node" ] || missing="$missing device $node,"
    done
    if [ -n "$missing" ]; then
        fail "nvidia-modules: not there:${missing%,}"
        return
    fi
    loaded=$(cat /sys/module/nvidia/version 2>/dev/null)
    if [ -z "$nvidia" ]; then
        skip "nvidia-modules: version $loaded is loaded, and /etc/bee-release does not say which one was built in"
    elif [ "$loaded" = "$nvidia" ]; then
        pass "nvidia-modules: nvidia and nvidia_uvm, version $loaded"
    else
        fail "nvidia-modules: version ${loaded:-unknown} is loaded, the image was built with $nvidia"
    fi
}

check_nvidia_smi() {
    if [ -z "$gpus" ]; then
        skip "nvidia-smi: PCI shows no NVIDIA GPU"
        return
    fi
    if ! seen=$(ask nvidia-smi --query-gpu=pci.bus_id --format=csv,noheader); then
        fail "nvidia-smi: $(line "$seen")"
        return
    fi
    # It writes 00000000:3B:00.0 for what the kernel calls 0000:3b:00.0.
    seen=$(printf '%s\n' "$seen" | tr '[:upper:]' '[:lower:]' | sed 's/^ *0000\([0-9a-f]\{4\}:\)/\1/')
    missing=
    for gpu in $gpus; do
        printf '%s\n' "$seen" | grep -Fqx "$gpu" || missing="$missing $gpu"
    done
    if [ -n "$missing" ]; then
        fail "nvidia-smi: PCI shows GPUs that it does not see:$missing"
    else
        pass "nvidia-smi: sees every GPU on PCI: $(line "$gpus")"
    fi
}

check_libraries() {
    if [ -z "$nvidia" ]; then
        if [ -n "$gpus" ]; then
            fail "library-links: PCI shows NVIDIA GPUs, and the image carries no NVIDIA libraries"
        else
            skip "library-links: the image carries no NVIDIA libraries"
        fi
        return
    fi
    wrong=
    for name in libnvidia-ml.so.1 libcuda.so.1; do
        place=/usr/lib/x86_64-linux-gnu/$name
        file=$(readlink -f "$place" 2>/dev/null)
        if [ ! -s "$place" ]; then
            wrong="$wrong $place is missing or leads nowhere;"
        elif [ "${file##*.so.}" != "$nvidia" ]; then
            wrong="$wrong $place is ${file##*/}, not version $nvidia;"
        elif lost=$(ask ldd "$place" | grep 'not found'); then
            wrong="$wrong $name lacks $(line "$lost");"
        elif ! said=$(ask python3 -c 'import ctypes, sys; ctypes.CDLL(sys.argv[1])' "$name"); then
            wrong="$wrong $name cannot be loaded: $(line "$said" | tail -c 120);"
        fi
    done
    if [ -n "$wrong" ]; then
        fail "library-links:${wrong%;}"
    else
        pass "library-links: libnvidia-ml.so.1 and libcuda.so.1 lead to version $nvidia and load"
    fi
}

check_fabric_manager() {
    if [ -z "$switches" ]; then
        skip "fabric-manager: PCI shows no NVSwitch"
    elif systemctl --quiet is-active nvidia-fabricmanager.service </dev/null 2>/dev/null; then
        pass "fabric-manager: active, for NVSwitches $(line "$switches")"
    else
        fail "fabric-manager: not active, and CUDA starts on no GPU behind NVSwitches $(line "$switches")"
    fi
}

# The boot's audit may still be at work on a slow machine: up to ten minutes, as its unit allows.
await_boot() {
    left=600
    while [ "$left" -gt 0 ]; do
        case $(systemctl is-active bee-audit.service 2>/dev/null) in
            activating | reloading | deactivating) ;;
            *) ask systemctl list-jobs --no-legend --plain | grep -q ' start ' || return ;;
        esac
        sleep 1
        left=$((left - 1))
    done
}

check_units() {
    for unit in ssh.service bee-sshsetup.service bee-network.service bee-nvidia.service bee-audit.service \
        bee-web.socket systemd-networkd.service systemd-resolved.service dbus.service; do
        state=$(systemctl show --property=ActiveState --value "$unit" 2>/dev/null </dev/null)
        sub=$(systemctl show --property=SubState --value "$unit" 2>/dev/null </dev/null)
        if [ "$state" = active ]; then
            pass "unit: $unit is active ($sub)"
        elif [ "$(systemctl show --property=LoadState --value "$unit" 2>/dev/null </dev/null)" = not-found ]; then
            fail "unit: $unit is not on this machine"
        else
            fail "unit: $unit is ${state:-in an unknown state} ($sub)"
        fi
    done
}

check_failed_units() {
    if ! units=$(ask systemctl --failed --plain --no-legend --no-pager); then
        fail "failed-units: systemctl: $(line "$units")"
    elif [ -n "$units" ]; then
        fail "failed-units: $(printf '%s\n' "$units" | awk '{ printf "%s ", $1 }')"
    else
        pass "failed-units: none"
    fi
}

# What a question needs of a document or of the wire is asked in Python, which bee runs with. Each program prints
# one line, PASS, FAIL or SKIP in front.
answer_by_python() {
    name=$1
    program=$2
    shift 2
    said=$(ask python3 -c "$program" "$@")
    status=$?
    if [ "$status" -ne 0 ]; then
        fail "$name: $(line "$(printf '%s\n' "$said" | tail -n 1) (status $status)")"
        return
    fi
    words=${said#????}
    case $said in
        PASS*) pass "$name: $(line "${words# }")" ;;
        SKIP*) skip "$name: $(line "${words# }")" ;;
        *) fail "$name: $(line "${said#FAIL }")" ;;
    esac
}

check_audit() {
    booted=$(systemctl show --timestamp=unix --property=UserspaceTimestamp --value </dev/null 2>/dev/null)
    answer_by_python audit '
import datetime, json, sys
try:
    with open("/var/log/bee-audit.json") as file:
        snapshot = json.load(file)
    verdict = snapshot["hardware"]["summary"]["verdict"]
    started = datetime.datetime.fromisoformat(snapshot["started_at"].replace("Z", "+00:00")).timestamp()
    runs = [(run["name"], run["status"]) for run in snapshot["collectors"]]
except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
    sys.exit(f"/var/log/bee-audit.json: {error!r}")
broken = [f"{name} ({status})" for name, status in runs if status in ("error", "timeout")]
booted = sys.argv[1].lstrip("@")
if not booted:
    print("FAIL systemd does not say when this machine was booted")
elif started < float(booted) - 1:
    print("FAIL /var/log/bee-audit.json is older than this boot")
elif not runs or verdict not in ("OK", "Warning", "Critical", "Unknown"):
    print(f"FAIL {len(runs)} collectors, verdict {verdict}")
elif broken:
    print("FAIL collectors that did not finish:", ", ".join(broken))
else:
    print(f"PASS {len(runs)} collectors, verdict {verdict}")
' "$booted"

    if [ -z "$gpus" ]; then
        skip "audit-gpus: PCI shows no NVIDIA GPU"
        return
    fi
    # shellcheck disable=SC2086
    answer_by_python audit-gpus '
import json, sys
try:
    with open("/var/log/bee-audit.json") as file:
        section = json.load(file)["hardware"].get("gpus") or {}
    known = {gpu["id"]: gpu for gpu in section.get("gpus", [])}
except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
    sys.exit(f"/var/log/bee-audit.json: {error!r}")
wrong = []
for gpu in sys.argv[1:]:
    if gpu not in known:
        wrong.append(f"{gpu} is not in the audit")
    elif known[gpu].get("condition") != "ok" or not known[gpu].get("uuid"):
        condition = known[gpu].get("condition", "not asked")
        wrong.append(f"{gpu}: condition {condition}")
if wrong:
    print("FAIL", "; ".join(wrong))
else:
    print("PASS every GPU on PCI is in it, with what the driver says:", " ".join(sys.argv[1:]))
' $gpus
}

check_bus() {
    names=$(ask busctl call --json=short org.freedesktop.DBus / org.freedesktop.DBus ListActivatableNames)
    for name in org.bee.Audit1 org.bee.Gpu1 org.bee.Sat1; do
        case $names in
            *"\"$name\""*) ;;
            *)
                fail "bus: $name is not activatable"
                continue
                ;;
        esac
        path=/$(echo "$name" | tr . /)
        if version=$(ask busctl get-property "$name" "$path" "$name" Version); then
            pass "bus: $name answers, version $(line "${version#s }")"
        else
            fail "bus: $name: $(line "$version")"
        fi
    done
}

check_web() {
    for page in / /healthz; do
        answer_by_python "web $page" '
import sys, urllib.error, urllib.request
opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
try:
    with opener.open("http://127.0.0.1" + sys.argv[1], timeout=20) as answer:
        body = answer.read()
except (OSError, urllib.error.URLError) as error:
    sys.exit(f"http://127.0.0.1{sys.argv[1]}: {error}")
if answer.status == 200 and body:
    print(f"PASS status 200, {len(body)} bytes")
else:
    print(f"FAIL status {answer.status}, {len(body)} bytes")
' "$page"
    done
}

check_lan() {
    # A router or a DHCP server that answers for its address (ARP, neighbour discovery) has been reached; it need
    # not answer pings.
    answer_by_python lan '
import glob, json, socket, subprocess, sys, time

def output(*words):
    return subprocess.run(words, check=True, capture_output=True, text=True).stdout

try:
    ports = [port for port in json.loads(output("networkctl", "--json=short", "list"))["Interfaces"]
             if port.get("Type") == "ether" and port.get("AdministrativeState") != "unmanaged"]
    routes = [(route["gateway"], route["dev"]) for family in ("-4", "-6")
              for route in json.loads(output("ip", family, "-json", "route", "show", "default") or "[]")
              if "gateway" in route]
except (OSError, subprocess.CalledProcessError, ValueError, KeyError) as error:
    sys.exit(f"{error}")
linked = [port for port in ports if port.get("CarrierState") in ("carrier", "enslaved")]
lacking = [port["Name"] for port in linked if port.get("AddressState") != "routable"]
if not ports:
    print("SKIP the machine has no Ethernet port")
    sys.exit()
if not linked:
    print("SKIP no port has a link:", " ".join(port["Name"] for port in ports))
    sys.exit()
if len(lacking) == len(linked):
    print("FAIL a link, and no address from DHCP:", " ".join(lacking))
    sys.exit()
targets = set(routes)
for lease in glob.glob("/run/systemd/netif/leases/*"):
    with open(lease) as file:
        words = dict(line.strip().split("=", 1) for line in file if "=" in line)
    name = socket.if_indextoname(int(lease.rsplit("/", 1)[1]))
    if "SERVER_ADDRESS" in words and name not in [dev for _gateway, dev in routes]:
        targets.add((words["SERVER_ADDRESS"], name))
if not targets:
    print("FAIL no port has a router, and no DHCP server is known")
    sys.exit()

def ask(address, dev):
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    place = (address, 9, 0, socket.if_nametoindex(dev)) if family == socket.AF_INET6 else (address, 9)
    with socket.socket(family, socket.SOCK_DGRAM) as probe:
        try:
            probe.sendto(b"", place)
        except OSError:
            pass

# What was heard of it earlier is no answer: the kernel forgets it, and asks.
unknown = sorted(targets)
for address, dev in unknown:
    subprocess.run(("ip", "neigh", "delete", address, "dev", dev), check=False, capture_output=True)
for _second in range(20):
    for address, dev in unknown:
        ask(address, dev)
    time.sleep(0.5)
    unknown = [(address, dev) for address, dev in unknown if not any(
        {"REACHABLE", "PERMANENT", "NOARP"} & set(known.get("state", []))
        for known in json.loads(output("ip", "-json", "neigh", "show", "to", address, "dev", dev) or "[]"))]
    if not unknown:
        break

silent = [f"{address} on {dev}" for address, dev in unknown]
reached = [f"{address} on {dev}" for address, dev in sorted(targets - set(unknown))]
if silent:
    print("FAIL no answer from", ", ".join(silent))
else:
    rest = ("; a link and no address: " + " ".join(lacking)) if lacking else ""
    print("PASS answers:", ", ".join(reached) + rest)
'
}

check_quiet() {
    # What would reach for the internet some time: timers, clocks, package sources, name servers of its own.
    timers=$(ask systemctl list-timers --all --plain --no-legend --no-pager | grep -o '[^ ]*\.timer' | grep -vx 'systemd-tmpfiles-clean\.timer')
    clocks=
    for unit in systemd-timesyncd chrony chronyd ntp ntpd ntpsec openntpd; do
        systemctl --quiet is-active "$unit.service" </dev/null 2>/dev/null && clocks="$clocks $unit"
    done
    sources=$(grep -lEs '^[[:space:]]*(deb|URIs:)' /etc/apt/sources.list /etc/apt/sources.list.d/* 2>/dev/null)
    servers=$(grep -hEs '^[[:space:]]*(Fallback)?DNS=[^[:space:]]' /etc/systemd/resolved.conf /etc/systemd/resolved.conf.d/*.conf)
    if [ -n "$timers" ]; then
        fail "internet: timers that the image does not need: $(line "$timers")"
    elif [ -n "$clocks" ]; then
        fail "internet: a clock service runs:$clocks"
    elif [ -n "$sources" ]; then
        fail "internet: package sources in $(line "$sources")"
    elif [ -n "$servers" ]; then
        fail "internet: name servers that no DHCP server gave: $(line "$servers")"
    else
        pass "internet: no timer, clock service, package source or name server of its own"
    fi

    # What has a way out now: connections that nobody from outside has asked for.
    if ! open=$(ask ss --no-header --numeric --tcp --udp --processes state connected); then
        fail "connections: ss: $(line "$open")"
    else
        open=$(printf '%s\n' "$open" | awk '
            NF < 6 { next }
            $5 ~ /:(22|80|68|546)$/ { next }
            $6 ~ /^(127\.|\[::1\]|\[::ffff:127\.)/ { next }
            { printf "%s to %s %s; ", $1, $6, $7 }')
        if [ -n "$open" ]; then
            fail "connections: $(line "$open")"
        else
            pass "connections: none but from outside to SSH and the web"
        fi
    fi

    # What really leaves the machine while nobody asks it anything.
    answer_by_python wire '
import socket, struct, sys, time

SECONDS = 10
try:
    wire = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(3))
except OSError as error:
    sys.exit(f"cannot listen: {error}")
wire.settimeout(0.2)

def kind(protocol, packet):
    """None for what asking for addresses and answering visitors is made of, else words."""
    if protocol in (0x0806, 0x88cc):
        return None
    if protocol == 0x0800:
        size = (packet[0] & 15) * 4
        return transport(packet[9], packet[size:], socket.inet_ntoa(packet[16:20]))
    if protocol == 0x86dd:
        number, rest = packet[6], packet[40:]
        if number == 0:
            number, rest = rest[0], rest[(rest[1] + 1) * 8:]
        return transport(number, rest, socket.inet_ntop(socket.AF_INET6, packet[24:40]))
    return f"ethertype {protocol:#06x}"

def transport(number, rest, target):
    if number in (6, 17):
        source, port = struct.unpack_from("!HH", rest)
        if number == 6 and rest[13] & 4:  # a reset: nobody is served here
            return None
        if (number == 6 and source in (22, 80)) or (number == 17 and (source, port) in ((68, 67), (546, 547))):
            return None
        return ("TCP" if number == 6 else "UDP") + f" to {target} port {port}"
    if number == 2 or (number == 58 and rest[0] in (1, 129, 131, 132, 133, 134, 135, 136, 143)):
        return None
    if number == 1 and rest[0] in (0, 3):
        return None
    return f"protocol {number} to {target}"

seen, count, end = {}, 0, time.monotonic() + SECONDS
while time.monotonic() < end:
    try:
        packet, (dev, protocol, direction, *_rest) = wire.recvfrom(65536)
    except TimeoutError:
        continue
    if direction != 4 or dev == "lo":
        continue
    count += 1
    try:
        words = kind(protocol, packet)
    except (IndexError, struct.error):
        words = f"a packet that is cut short, ethertype {protocol:#06x}"
    if words:
        seen[words] = seen.get(words, 0) + 1
if seen:
    told = (f"{words} ({times} times)" for words, times in sorted(seen.items()))
    print(f"FAIL in {SECONDS} s:", ", ".join(told))
else:
    print(f"PASS {count} packets in {SECONDS} s, all of them DHCP, ARP, neighbour discovery or answers to visitors")
'
}

main() {
    if [ "$(id -u)" -ne 0 ]; then
        echo "smoketest.sh: it must be root: ssh root@HOST 'sh -s' < smoketest.sh" >&2
        exit 2
    fi
    export LC_ALL=C
    gpus=$(pci_devices 0x0300 0x0302) # display and 3D controllers
    switches=$(pci_devices 0x0680)    # bridges of no other kind: NVSwitch
    nvidia=$(release NVIDIA_VERSION)
    case $nvidia in none) nvidia= ;; esac

    check_release
    await_boot
    check_nvidia_modules
    check_nvidia_smi
    check_libraries
    check_fabric_manager
    check_units
    check_failed_units
    check_audit
    check_bus
    check_web
    check_lan
    check_quiet
    # Once more: what was started to answer the questions must not have failed.
    check_failed_units

    echo "      $passed passed, $failed failed, $skipped skipped"
    [ "$failed" -eq 0 ]
}

# All of the script has been read when it begins: what it starts cannot eat the rest of it.
main
exit $?

"""The names that people and scripts depend on: bus names, paths, interfaces, polkit actions.

A service's bus name, root path and main interface are the same word, so that ``busctl`` is pleasant.
"""

from typing import NamedTuple


class Service(NamedTuple):
    """One service on the bus."""

    bus_name: str
    path: str
    program: str
    interfaces: tuple[str, ...]  # the main one first


JOB_INTERFACE = "org.bee.Job1"

AUDIT = Service(
    bus_name="org.bee.Audit1",
    path="/org/bee/Audit1",
    program="bee-auditd",
    interfaces=("org.bee.Audit1", "org.bee.Audit1.Run", "org.bee.Audit1.Component", JOB_INTERFACE),
)
AUDIT_INTERFACE = "org.bee.Audit1"
AUDIT_RUN_INTERFACE = "org.bee.Audit1.Run"
AUDIT_COMPONENT_INTERFACE = "org.bee.Audit1.Component"

GPU = Service(
    bus_name="org.bee.Gpu1",
    path="/org/bee/Gpu1",
    program="bee-gpud",
    interfaces=("org.bee.Gpu1", "org.bee.Gpu1.Gpu"),
)
GPU_INTERFACE = "org.bee.Gpu1"
GPU_GPU_INTERFACE = "org.bee.Gpu1.Gpu"

SAT = Service(
    bus_name="org.bee.Sat1",
    path="/org/bee/Sat1",
    program="bee-satd",
    interfaces=("org.bee.Sat1", "org.bee.Sat1.Run", JOB_INTERFACE),
)
SAT_INTERFACE = "org.bee.Sat1"
SAT_RUN_INTERFACE = "org.bee.Sat1.Run"

SERVICES: tuple[Service, ...] = (AUDIT, GPU, SAT)

# Every action that a method may name in its org.bee.Action annotation; each is declared in org.bee.policy.
ACTIONS: tuple[str, ...] = (
    "org.bee.audit.run",
    "org.bee.audit.capture",
    "org.bee.audit.read",
    "org.bee.job.cancel",
    "org.bee.gpu.read",
    "org.bee.gpu.watch",
    "org.bee.sat.run",
    "org.bee.sat.read",
    "org.bee.sat.artifact",
)

ACTION_ANNOTATION = "org.bee.Action"

DBUS = "org.freedesktop.DBus"
DBUS_PATH = "/org/freedesktop/DBus"
INTROSPECTABLE = "org.freedesktop.DBus.Introspectable"
OBJECT_MANAGER = "org.freedesktop.DBus.ObjectManager"
PEER = "org.freedesktop.DBus.Peer"
PROPERTIES = "org.freedesktop.DBus.Properties"

POLKIT = "org.freedesktop.PolicyKit1"
POLKIT_PATH = "/org/freedesktop/PolicyKit1/Authority"
POLKIT_INTERFACE = "org.freedesktop.PolicyKit1.Authority"


def job_path(service: Service, job_id: str) -> str:
    return f"{service.path}/job/{job_id}"

"""Devices from the udev database, through pyudev."""

import pyudev

from bee_machine.machine import UdevDevice


def list_devices(subsystem: str) -> tuple[UdevDevice, ...]:
    """The devices of a subsystem, sorted by path; empty where there is none."""
    devices = [
        UdevDevice(
            sys_path=device.sys_path,
            sys_name=device.sys_name,
            subsystem=subsystem,
            device_type=device.device_type,
            device_node=device.device_node,
            properties=dict(device.properties),
        )
        for device in pyudev.Context().list_devices(subsystem=subsystem)
    ]
    return tuple(sorted(devices, key=lambda device: device.sys_path))

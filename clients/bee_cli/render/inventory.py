"""What the machine is made of: each section that it has, in the order of the snapshot."""

from bee_bus.documents.audit import Hardware
from bee_cli.render.compute import put_board, put_cpus, put_gpus, put_memory
from bee_cli.render.firmware import put_firmware
from bee_cli.render.management import put_bmc, put_psus, put_sensors
from bee_cli.render.network import put_network
from bee_cli.render.page import Page
from bee_cli.render.pcie import put_pcie
from bee_cli.render.storage import put_storage


def put_inventory(page: Page, hardware: Hardware) -> None:
    if hardware.board:
        put_board(page, hardware.board)
    if hardware.cpus:
        put_cpus(page, hardware.cpus)
    if hardware.memory:
        put_memory(page, hardware.memory)
    if hardware.storage:
        put_storage(page, hardware.storage)
    if hardware.pcie:
        put_pcie(page, hardware.pcie)
    if hardware.network:
        put_network(page, hardware.network)
    if hardware.psus:
        put_psus(page, hardware.psus)
    if hardware.sensors:
        put_sensors(page, hardware.sensors)
    if hardware.bmc:
        put_bmc(page, hardware.bmc)
    if hardware.gpus:
        put_gpus(page, hardware.gpus)
    if hardware.firmware:
        put_firmware(page, hardware.firmware)

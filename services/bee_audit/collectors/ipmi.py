"""All that the BMC knows, read once per machine for the sections psus, sensors and bmc.

The kernel's interface takes one message at a time, so nothing is gained by asking side by side. It is one
conversation: on a server with a hundred sensors, three hundred messages.
"""

from collections import defaultdict
from collections.abc import Awaitable, Callable

import msgspec

from bee_audit.collectors.ipmi_client import (
    GET_CHASSIS_STATUS,
    GET_DEVICE_ID,
    GET_SELF_TEST,
    GET_SYSTEM_GUID,
    BmcClient,
    BmcError,
    Refused,
    Silent,
    Unanswered,
)
from bee_audit.collectors.ipmi_fru import BMC, FruFacts, FruReader
from bee_audit.collectors.ipmi_network import read_channels
from bee_audit.collectors.ipmi_repository import Repository
from bee_audit.collectors.ipmi_sel import SelFacts, read_sel
from bee_audit.collectors.ipmi_sensors import SensorFacts, read_sensor, unread, without_readings
from bee_audit.decode import DecodeError
from bee_audit.decode.ipmi_controller import (
    ChassisState,
    DeviceId,
    SelfTest,
    decode_chassis_state,
    decode_device_id,
    decode_guid,
    decode_self_test,
)
from bee_audit.decode.ipmi_names import ENTITY_POWER_SUPPLY
from bee_audit.decode.sdr import FruLocator, SdrRecord, SensorRecord
from bee_bus.documents.bmc import LanChannel
from bee_machine import Machine

DEVICES = ("/dev/ipmi0", "/dev/ipmi/0", "/dev/ipmidev/0")
NOT_OFFERED = frozenset({0xC1, 0xC2, 0xD6})  # a command that this BMC does not have: there is nothing to see
_BOARD = 0x07


class IpmiFacts(msgspec.Struct):
    """``problems``: by section, a sentence for each thing that could not be read."""

    device: str
    device_id: DeviceId
    self_test: SelfTest | None = None
    chassis: ChassisState | None = None
    guid: str | None = None
    channels: tuple[LanChannel, ...] = ()
    records: tuple[SdrRecord, ...] = ()
    sensors: tuple[SensorFacts, ...] = ()
    frus: tuple[FruFacts, ...] = ()
    sel: SelFacts | None = None
    problems: defaultdict[str, list[str]] = msgspec.field(default_factory=lambda: defaultdict(list))


async def read_ipmi(machine: Machine) -> IpmiFacts | None:
    """What the machine's BMC says; None without an IPMI device. Raises OSError when it says nothing."""
    return await machine.once("ipmi", lambda: _read(machine))


async def _read(machine: Machine) -> IpmiFacts | None:
    device = await _device(machine)
    if device is None:
        return None
    return await machine.converse(device, _asked(device))


async def _asked(device: str) -> IpmiFacts:
    """The conversation with the BMC."""
    client = BmcClient(device)
    facts = IpmiFacts(device, await _identify(client))
    reader = _Reader(client, facts)
    # What a verdict rests on comes first: a BMC may stop answering, or take longer than there is time.
    await reader.part("the chassis status", ("bmc",), reader.chassis)
    await reader.part("the self-test result", ("bmc",), reader.self_test)
    await reader.part("the sensor records", ("sensors", "psus", "bmc"), reader.repository)
    await reader.part("the sensors", ("sensors", "psus"), reader.sensors)
    await reader.part("the event log", ("bmc",), reader.sel)
    await reader.part("the FRU devices", ("bmc", "psus"), reader.frus)
    await reader.part("the BMC's network", ("bmc",), reader.network)
    return facts


async def _device(machine: Machine) -> str | None:
    for path in DEVICES:
        if await machine.exists(path):
            return path
    return None


async def _identify(client: BmcClient) -> DeviceId:
    try:
        try:
            answer = await client.ask(GET_DEVICE_ID)
        except Unanswered:
            answer = await client.ask(GET_DEVICE_ID)  # a BMC that has just restarted can lose a question
        return decode_device_id(answer)
    except (BmcError, DecodeError) as error:
        raise OSError(f"the BMC behind {client.device} does not say who it is: {error}") from error


class _Reader:
    def __init__(self, client: BmcClient, facts: IpmiFacts) -> None:
        self._client = client
        self._facts = facts
        self._cut_off: set[str] = set()  # sections that know already that the BMC is silent

    async def part(self, what: str, sections: tuple[str, ...], read: Callable[[], Awaitable[None]]) -> None:
        """Read one part; what goes wrong is a problem of the sections that are made of it."""
        try:
            await read()
        except Silent as error:
            for section in sections:
                if section not in self._cut_off:
                    self._cut_off.add(section)
                    self._facts.problems[section].append(
                        f"The BMC stopped answering; {what} and all after it are missing: {error}."
                    )
        except Refused as error:
            if error.code not in NOT_OFFERED:
                self._note(sections, f"The BMC refused to tell {what}: {error}.")
        except (Unanswered, DecodeError) as error:
            self._note(sections, f"The BMC did not tell {what}: {error}.")

    def _note(self, sections: tuple[str, ...], problem: str) -> None:
        for section in sections:
            self._facts.problems[section].append(problem)

    async def chassis(self) -> None:
        self._facts.chassis = decode_chassis_state(await self._client.ask(GET_CHASSIS_STATUS))

    async def self_test(self) -> None:
        self._facts.self_test = decode_self_test(await self._client.ask(GET_SELF_TEST))

    async def repository(self) -> None:
        identity = self._facts.device_id
        device_sdrs = identity.has_device_sdrs and not identity.has_sdr_repository
        repository = Repository(self._client, device_sdrs=device_sdrs)
        try:
            await repository.read()
        finally:
            self._facts.records = tuple(repository.records)
            for section in ("sensors", "psus"):
                self._facts.problems[section] += repository.problems

    async def sensors(self) -> None:
        found: list[SensorFacts] = []
        if not any(isinstance(record, SensorRecord) for record in self._facts.records):
            self._facts.problems["sensors"].append("The BMC lists no sensors.")
        try:
            for record in self._facts.records:
                if isinstance(record, SensorRecord) and record.is_readable:
                    found.append(await read_sensor(self._client, record))
        finally:
            self._facts.sensors = tuple(found)
            self._facts.problems["sensors"] += unread(found) + without_readings(found)
            supplies = [one for one in found if one.record.entity_id == ENTITY_POWER_SUPPLY]
            self._facts.problems["psus"] += unread(supplies)

    async def sel(self) -> None:
        self._facts.sel = await read_sel(self._client)

    async def frus(self) -> None:
        """Every FRU device that a record names, and number 0, which each BMC has without one (§34)."""
        own = FruLocator(
            record_id=0,
            owner=BMC,
            fru_id=0,
            is_inventory=True,
            entity_id=_BOARD,
            entity_instance=0,
            name="",
        )
        locators = {(BMC.address, 0, 0): own}
        for record in self._facts.records:
            if isinstance(record, FruLocator) and record.is_inventory:
                address = BMC.address if record.owner.is_bmc else record.owner.address
                locators[address, record.owner.lun, record.fru_id] = record
        reader = FruReader(self._client)
        found: list[FruFacts] = []
        try:
            for locator in locators.values():
                found.append(await reader.read(locator))
        finally:
            self._facts.frus = tuple(found)

    async def network(self) -> None:
        self._facts.channels = await read_channels(self._client)
        try:
            self._facts.guid = decode_guid(await self._client.ask(GET_SYSTEM_GUID))
        except (Refused, DecodeError):
            self._facts.guid = None  # an optional command

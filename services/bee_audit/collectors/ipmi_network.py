"""The BMC's network interfaces."""

from bee_audit.collectors.ipmi_client import GET_CHANNEL_INFO, GET_LAN_PARAMETER, BmcClient, Unanswered
from bee_audit.decode import DecodeError
from bee_audit.decode.ipmi_controller import (
    LAN_MEDIUM,
    channel_medium,
    ipv4_text,
    ipv6_text,
    lan_parameter,
    mac_text,
)
from bee_bus.documents.bmc import LanChannel

CHANNELS = range(1, 0x0C)  # 0 is IPMB, those from Ch on are not for networks (table 6-1)
IPV6_ADDRESSES_LIMIT = 8  # of each kind
_IPV4, _SOURCE, _MAC, _MASK, _GATEWAY, _VLAN = 3, 4, 5, 6, 12, 20
_IPV6_ENABLES, _IPV6_COUNTS, _IPV6_STATIC, _IPV6_DYNAMIC = 51, 55, 56, 59
_SOURCES = {1: "static", 2: "DHCP", 3: "BIOS", 4: "other"}


async def read_channels(client: BmcClient) -> tuple[LanChannel, ...]:
    """Every channel that is a LAN. Raises Silent."""
    return tuple([await _channel(client, number) for number in CHANNELS if await _is_lan(client, number)])


async def _is_lan(client: BmcClient, channel: int) -> bool:
    try:
        return channel_medium(await client.ask(GET_CHANNEL_INFO, bytes((channel,)))) == LAN_MEDIUM
    except (Unanswered, DecodeError):
        return False  # a channel that is not there is refused


async def _channel(client: BmcClient, channel: int) -> LanChannel:
    ipv4 = await _parameter(client, channel, _IPV4, 4)
    source = await _parameter(client, channel, _SOURCE, 1)
    mac = await _parameter(client, channel, _MAC, 6)
    mask = await _parameter(client, channel, _MASK, 4)
    gateway = await _parameter(client, channel, _GATEWAY, 4)
    vlan = int.from_bytes(await _parameter(client, channel, _VLAN, 2) or b"", "little")
    address = ipv4_text(ipv4) if ipv4 else None
    return LanChannel(
        channel=channel,
        mac_address=mac_text(mac) if mac else None,
        ipv4_address=address,
        ipv4_source=_SOURCES.get(source[0] & 0x0F) if source else None,
        subnet_mask=ipv4_text(mask) if mask and address else None,
        gateway=ipv4_text(gateway) if gateway else None,
        vlan=vlan & 0x0FFF if vlan & 0x8000 else None,
        ipv6_addresses=await _ipv6_addresses(client, channel),
    )


async def _ipv6_addresses(client: BmcClient, channel: int) -> tuple[str, ...]:
    """Chapter 23.2, parameters 51 and 55 to 59; a BMC without IPv6 refuses the first."""
    enables = await _parameter(client, channel, _IPV6_ENABLES, 1)
    counts = await _parameter(client, channel, _IPV6_COUNTS, 2) if enables and enables[0] else None
    if not counts:
        return ()
    found = []
    for parameter, count in ((_IPV6_STATIC, counts[0]), (_IPV6_DYNAMIC, counts[1])):
        for selector in range(min(count, IPV6_ADDRESSES_LIMIT)):
            data = await _parameter(client, channel, parameter, 20, selector)
            if data is None:
                break
            if (text := ipv6_text(data)) and text not in found:
                found.append(text)
    return tuple(found)


async def _parameter(
    client: BmcClient, channel: int, parameter: int, least_bytes: int, selector: int = 0
) -> bytes | None:
    try:
        answer = await client.ask(GET_LAN_PARAMETER, bytes((channel, parameter, selector, 0)))
        return lan_parameter(answer, least_bytes)
    except (Unanswered, DecodeError):
        return None

"""The channel of a DIMM slot is taken from its name only when the name states it."""

import pytest

from bee_audit.decode.memory_locator import slot_place


@pytest.mark.parametrize(
    ("locator", "bank", "socket", "channel"),
    [
        ("P1-DIMMA1", "P0_Node0_Channel0_Dimm0", "P1", "0.0"),
        ("P2-DIMM1F", "P1_Node1_Channel2_Dimm0", "P2", "1.2"),
        ("DIMM010 J11", "_Node1_Channel0_Dimm1", "NODE1", "0"),
        ("DIMM 0", "P0 CHANNEL A", "P0", "A"),
        ("DIMM 3", "NODE 1 CHANNEL B", "NODE1", "B"),
        ("ChannelA-DIMM0", "BANK 0", "", "A"),
        ("Controller1-ChannelB-DIMM0", "BANK 3", "", "1.B"),
        ("SOCKET 1 CHANNEL 4 DIMM 0", None, "SOCKET1", "4"),
        ("CPU0_C5D1", "NODE 0", "CPU0", "5"),
        ("CPU0_DIMM_B2", "NODE 0", "CPU0", "B"),
        ("P2_DIMM_H1", None, "P2", "H"),
        ("DIMM_P1_L0", "BANK 0", "P1", "L"),
        ("DIMM_A1", "Not Specified", "", "A"),
        ("DDR4_C1", None, "", "C"),
        ("P1-DIMM1A", None, "P1", "A"),
        ("CPU1_CH0_DIMM0", None, "CPU1", "0"),
        ("P0_CHA_DIMM1", None, "P0", "A"),
        ("CPU0_MC1_CHB_D0", "NODE 0", "CPU0", "1.B"),
        ("CPU0_A0", "NODE 0", "CPU0", "A"),
    ],
)
def test_names_that_state_a_channel(locator: str, bank: str | None, socket: str, channel: str) -> None:
    assert slot_place(locator, bank) == (socket, channel)


@pytest.mark.parametrize(
    ("locator", "bank"),
    [
        ("A1", "Not Specified"),  # Dell: CPU and slot number
        ("DIMM_A9", None),
        ("DIMM_B4", "Not Specified"),
        ("PROC 1 DIMM 4", None),
        ("DIMM 1", "Bank 0/1"),
        ("A0", "Bank0/1"),
        ("DIMM 0", None),
        ("RAM slot #3", "RAM slot #3"),
        ("J3", "BANK 2"),
        ("CHANNEL", "CHASSIS 1"),
        ("CPU1_A9", "CPU 1"),
        (None, None),
        ("", ""),
    ],
)
def test_names_that_do_not(locator: str | None, bank: str | None) -> None:
    assert slot_place(locator, bank) is None

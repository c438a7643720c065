"""What firmware writes where nobody filled in a name or a serial number."""

import re

_WORDS = frozenset(
    (
        *("none", "null", "na", "nil", "unknown", "undefined", "empty", "oem", "default", "defaultstring"),
        *("fillbyoem", "filledbyoem"),
        *("notspecified", "notavailable", "notapplicable", "notpresent", "notprovided", "notset", "invalid"),
        *("nodimm", "nomodule", "nomoduleinstalled", "notinstalled", "noenclosure", "noassettag"),
        *(
            "noassetinformation",
            "assettag",
            "serial",
            "serialnumber",
            "sn",
            "number",
            "partnumber",
            "partnum",
        ),
        *("manufacturer", "systemmanufacturer", "systemproductname", "systemversion", "systemserialnumber"),
        *("baseboardserialnumber", "boardserialnumber", "mbserialnumber", "chassisserialnumber"),
        *("chassisversion", "chassismanufacturer", "sku", "systemsku", "skunumber", "productname", "product"),
        *("type1productconfigid", "type1sku0", "type2boardserialnumber", "xx", "x"),
        *("assettagnum", "sernum", "bankempty", "dimmempty", "outofspec", "reserved", "other"),
        *("unspecified", "unknow", "notpopulated", "notassigned", "notsettable", "slotempty", "tbd"),
        *("boardversion", "baseboardversion", "type2boardversion"),
        *("boardassettag", "baseboardassettag", "chassisassettag", "systemassettag", "type2boardassettag"),
        *("dummy", "redacted", "boardserialnumber", "productserialnumber", "productversion"),
    )
)
# Cut to the width of its field at any place: "To be filled by O.E.".
_BEGINNING = "tobefilled"
# Somebody counted: 12345678, 0123456789, 123456789ABCDEF, 9876543210. A longer text with a run in it
# may be a real one.
_RUN = re.compile(r"^0*(?:12345678(?:90*)?|9876543210?)+(?:abcdef)?$")
# Placeholders of AMI and Phoenix that count the slots: A1_SerNum0, Array1_PartNumber3, ModulePartNumber00.
_COUNTED = re.compile(
    r"^(?:(?:a|array|dimm)\d+)?(?:module)?(?:manufacturer|sernum|serialnumber|assettag|assettagnum|partnumber|asset)\d*$"
)


def genuine(text: str | None) -> str | None:
    """The text, or None when it is a filler: letters of it would name nothing and match everything."""
    if text is None:
        return None
    letters = "".join(filter(str.isalnum, text)).lower()
    if letters in _WORDS or letters.startswith(_BEGINNING) or _COUNTED.match(letters) or _RUN.match(letters):
        return None
    # One character over and over: zeros, F, x, dots and spaces alone; so too as a number, 0x00000000.
    letters = letters.removeprefix("0x")
    return text if len(set(letters)) > 1 or (letters.isdigit() and letters.strip("0")) else None

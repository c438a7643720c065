"""Which packs there are; each is loaded when it is asked for."""

from importlib import import_module

from bee_sat.packs.pack import Pack

PACK_NAMES: tuple[str, ...] = ("memory", "storage", "cpu", "nvidia")


def load_pack(name: str) -> Pack:
    """The pack of that name. KeyError when there is none."""
    if name not in PACK_NAMES:
        raise KeyError(name)
    pack: Pack = import_module(f"bee_sat.packs.{name}").PACK
    return pack

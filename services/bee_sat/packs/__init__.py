"""The packs: what each proves, its options, and the steps that it plans."""

from bee_sat.packs.pack import Claim, Pack
from bee_sat.packs.table import PACK_NAMES, load_pack

__all__ = ["PACK_NAMES", "Claim", "Pack", "load_pack"]

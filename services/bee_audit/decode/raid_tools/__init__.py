"""What vendors' RAID tools print, to `StorageController`s, with one set of words for conditions."""

from bee_audit.decode.raid_tools.arcconf import decode_arcconf, decode_arcconf_count
from bee_audit.decode.raid_tools.sas_ircu import decode_sas_ircu, decode_sas_ircu_list
from bee_audit.decode.raid_tools.ssacli import decode_ssacli
from bee_audit.decode.raid_tools.storcli import decode_storcli

__all__ = [
    "decode_arcconf",
    "decode_arcconf_count",
    "decode_sas_ircu",
    "decode_sas_ircu_list",
    "decode_ssacli",
    "decode_storcli",
]

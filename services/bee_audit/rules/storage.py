"""What is wrong with disks, RAID controllers and arrays.

The order of trust: the disk's own verdict and limits, then counters that are known to predict a failure, then
the comparison with its peers. Totals that cannot fall are judged against age or use; see limits/storage.toml.
"""

from bee_audit.rules import Rule
from bee_audit.rules.disks import counts, raid, state, verdict, wear

RULES: tuple[Rule, ...] = (*verdict.RULES, *wear.RULES, *counts.RULES, *state.RULES, *raid.RULES)

"""The acceptance service as it is, but that a load may be over at once.

The lab's tools do ten minutes' work in a moment, and a menu's first choice is ten minutes.
"""

import sys

from bee_sat.main import main
from bee_sat.packs import lasting

lasting.WHOLE = 0.0

if __name__ == "__main__":
    sys.exit(main())

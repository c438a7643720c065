"""bee-satd: the acceptance service on the system bus."""

import argparse
import sys

from bee_bus.version import VERSION


def main() -> int:
    parser = argparse.ArgumentParser(prog="bee-satd", description="Acceptance runs behind org.bee.Sat1.")
    parser.add_argument("--version", action="version", version=f"bee-satd {VERSION}")
    parser.parse_args()
    from bee_sat.service import serve_sat

    return serve_sat()


if __name__ == "__main__":
    sys.exit(main())

"""bee-gpud: the GPU service on the system bus."""

import argparse
import sys

from bee_bus.version import VERSION


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="bee-gpud", description="GPU inventory, telemetry and health behind org.bee.Gpu1."
    )
    parser.add_argument("--version", action="version", version=f"bee-gpud {VERSION}")
    parser.parse_args()
    from bee_gpu.service import serve_gpus

    return serve_gpus()


if __name__ == "__main__":
    sys.exit(main())

"""What `make run` does: services on a private bus, an audit of this machine, both up until interrupted."""

import asyncio
import sys

from bee_bus.client import Bus
from bee_bus.errors import BeeError
from bee_cli import exits
from bee_cli.commands.audit import audit_snapshot
from bee_cli.documents import read_snapshot
from bee_cli.errors import CliError, explain
from bee_cli.session import on_bus
from bee_cli.terminal import complain, of_stream, show

_INVITATION = """
The services stay up on a private bus until you press Ctrl-C. In another shell:

  export DBUS_SYSTEM_BUS_ADDRESS={address}
  .venv/bin/bee status
  busctl --address="$DBUS_SYSTEM_BUS_ADDRESS" tree org.bee.Audit1
"""


def main() -> int:
    try:
        return on_bus(_work, private=True)
    except KeyboardInterrupt:
        return exits.OK  # the way to end it
    except (CliError, BeeError) as error:
        complain(explain(error))
        return exits.ERROR


async def _work(bus: Bus) -> int:
    from bee_cli.render import summary

    snapshot = read_snapshot(await audit_snapshot(bus))
    show(summary(snapshot, of_stream(sys.stdout)))
    show(_INVITATION.format(address=bus.address))
    await asyncio.Event().wait()  # until a signal ends it
    return exits.OK


if __name__ == "__main__":
    sys.exit(main())

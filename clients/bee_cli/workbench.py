"""What `make run` does: services on a private bus, an audit of this machine, and the web page."""

import asyncio
import sys
from collections.abc import Mapping
from pathlib import Path

from bee_bus.client import Bus
from bee_bus.errors import BeeError
from bee_bus.web_token import login_url, read_token
from bee_cli import exits
from bee_cli.commands.audit import audit_snapshot
from bee_cli.documents import read_snapshot
from bee_cli.errors import CliError, explain
from bee_cli.private_bus import PrivateBus
from bee_cli.programs import program
from bee_cli.session import on_private_bus
from bee_cli.terminal import complain, of_stream, show

URL = "http://localhost:8080/"

_INVITATION = """
The web page is at {url} until you press Ctrl-C, and logs you in at
{login} (token {token}).

The services stay up on a private bus as long. In another shell:

  export DBUS_SYSTEM_BUS_ADDRESS={address}
  .venv/bin/bee status
  busctl --address="$DBUS_SYSTEM_BUS_ADDRESS" tree org.bee.Audit1
"""


def main() -> int:
    try:
        return on_private_bus(_work)
    except KeyboardInterrupt:
        return exits.OK  # the way to end it
    except (CliError, BeeError) as error:
        complain(explain(error))
        return exits.ERROR


async def _work(bus: Bus, private: PrivateBus) -> int:
    from bee_cli.render import summary

    snapshot = read_snapshot(await audit_snapshot(bus))
    show(summary(snapshot, of_stream(sys.stdout)))
    web = program("bee-web")
    await (await asyncio.create_subprocess_exec(web, "--make-token", env=private.environment)).wait()
    token = read_token(Path(private.environment["BEE_WEB_DIRECTORY"]))
    show(_INVITATION.format(address=bus.address, url=URL, login=login_url(URL, token), token=token))
    await _serve(web, private.environment)
    raise CliError("the web page has ended", "Is another program on port 8080? The line above says more.")


async def _serve(web: str, environment: Mapping[str, str]) -> None:
    """Run the web page until it ends, or a signal ends this."""
    words = ["--address", "localhost", "--port", "8080"]
    running = await asyncio.create_subprocess_exec(web, *words, env=environment)
    try:
        await running.wait()
    finally:
        if running.returncode is None:
            running.terminate()
            await running.wait()


if __name__ == "__main__":
    sys.exit(main())

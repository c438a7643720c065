"""The documents of acceptance runs: read once, typed, and checked before anyone acts on them."""

import msgspec

from bee_bus.documents.sat import SatResult, SatRun
from bee_cli.errors import CliError


def read_sat_result(text: str) -> SatResult:
    """The result in a JSON text. Raises CliError: what cannot be read is no verdict."""
    try:
        return msgspec.json.decode(text, type=SatResult)
    except (msgspec.DecodeError, UnicodeEncodeError) as error:
        raise CliError(f"the run's result is none that this bee understands: {error}") from error


def read_sat_runs(text: str) -> tuple[SatRun, ...]:
    """The list of runs in a JSON text. Raises CliError."""
    try:
        return msgspec.json.decode(text, type=tuple[SatRun, ...])
    except (msgspec.DecodeError, UnicodeEncodeError) as error:
        raise CliError(f"the service's answer is no list of runs: {error}") from error

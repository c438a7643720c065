"""Work that needs no bus and no machine: the service's own program, run with arguments."""

import subprocess

from bee_cli.errors import CliError
from bee_cli.programs import program
from bee_cli.text import clean_lines

SERVICE = "bee-auditd"


def replay(file: str, sections: tuple[str, ...] = (), expected: str | None = None, limits: str = "") -> str:
    """The snapshot (JSON text) of the machine that was captured in ``file``. Raises CliError.

    ``expected``: the file that says what the machine must have. ``limits``: TOML.
    """
    words = ["--sections", ",".join(sections)] if sections else []
    words += ["--expected", _argument(expected)] if expected is not None else []
    words += ["--limits", limits] if limits else []
    return _output("--replay", _argument(file), *words)


def decode(kind: str, file: str) -> str:
    """One captured binary as JSON text; ``-`` reads standard input. Raises CliError."""
    return _output("--decode", kind, _argument(file))


def _argument(file: str) -> str:
    """The file as an argument that cannot be taken for an option."""
    return f"./{file}" if file.startswith("-") and file != "-" else file


def _output(*words: str) -> str:
    """What the program printed. The document decides, not the exit code: that is the verdict in it."""
    ended = subprocess.run([program(SERVICE), *words], capture_output=True, check=False)
    complaint = clean_lines(ended.stderr.decode("utf-8", "replace")).removeprefix(f"{SERVICE}: ")
    if ended.returncode < 0:
        raise CliError(f"{SERVICE} was killed by signal {-ended.returncode}. {complaint}".strip())
    if not ended.stdout.strip():
        raise CliError(complaint or f"{SERVICE} ended with {ended.returncode} and said nothing")
    return ended.stdout.decode("utf-8", "replace")

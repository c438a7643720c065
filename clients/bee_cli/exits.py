"""Exit codes, those of monitoring plug-ins: the code is the verdict, and an error is never OK."""

OK = 0
WARNING = 1
CRITICAL = 2
UNKNOWN = 3
ERROR = UNKNOWN
INTERRUPTED = 130  # as a shell says it: 128 + SIGINT

_BY_VERDICT = {"OK": OK, "Warning": WARNING, "Critical": CRITICAL}


def of_verdict(verdict: str) -> int:
    """The exit code of a verdict; one that is not known to us is Unknown."""
    return _BY_VERDICT.get(verdict, UNKNOWN)

"""What every test stands on."""

import signal

# A shell that starts the tests in the background has its children ignore SIGINT, and theirs inherit that:
# the programs under test are those of a person who can press Ctrl-C.
signal.signal(signal.SIGINT, signal.default_int_handler)

"""bee decode: one captured binary as JSON."""

import sys
from argparse import Namespace

from bee_cli import exits, offline
from bee_cli.documents import readable_json
from bee_cli.terminal import of_stream, show


def run(asked: Namespace) -> int:
    show(readable_json(offline.decode(asked.kind, asked.file), of_stream(sys.stdout)))
    return exits.OK

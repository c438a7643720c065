"""A web server that machines boot a live image from, with the files that `iso/netboot.sh` makes of it."""

import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from lab.rootfs import CHECKOUT
from lab.server import LabError

PROGRAM = CHECKOUT / "iso" / "netboot.sh"
HOST = "10.0.2.2"  # this machine, as one behind QEMU's user network sees it
SCRIPT = "boot.ipxe"


class Files(SimpleHTTPRequestHandler):
    """Says nothing about what is asked of it."""

    def log_message(self, format: str, *words: object) -> None:
        pass


@contextmanager
def served(image: Path, folder: Path, *words: str) -> Iterator[str]:
    """Serve a folder made of the image, to QEMU's machines; the address of its script.

    ``words``: more of them for the kernel.
    """
    folder.mkdir()
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Files, directory=str(folder))) as server:
        url = f"http://{HOST}:{server.server_address[1]}"
        ended = subprocess.run(
            [str(PROGRAM), str(image), url, str(folder)], check=False, capture_output=True, text=True
        )
        if ended.returncode:
            raise LabError(f"{PROGRAM.name} ended with {ended.returncode}: {ended.stderr}")
        script = folder / SCRIPT
        script.write_text(script.read_text().replace(" boot=live ", f" {' '.join(['boot=live', *words])} "))
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield f"{url}/{SCRIPT}"
        finally:
            server.shutdown()
            thread.join()

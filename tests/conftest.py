"""What every test stands on."""

import os
import signal
import sys

import pytest
from hypothesis import settings

from lab import iso
from lab.iso import Image
from lab.server import LabError

# A shell that starts the tests in the background has its children ignore SIGINT, and nohup SIGHUP, and theirs
# inherit that: the programs under test are those of a person who can press Ctrl-C and hang up.
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGHUP, signal.SIG_DFL)

# How busy the host is decides no test.
settings.register_profile("bee", deadline=None)
settings.load_profile("bee")

IMAGE = pytest.StashKey[iso.Build]()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests of the live image come last: it takes minutes to build, beside those that leave a core idle."""
    items.sort(key=lambda item: item.get_closest_marker("iso") is not None)


def pytest_collection_finish(session: pytest.Session) -> None:
    """Begin to build the live image when a test is going to ask for it."""
    wanted = any("live_image" in getattr(item, "fixturenames", ()) for item in session.items)
    if wanted and not session.config.option.collectonly and os.geteuid() == 0:
        session.config.stash[IMAGE] = iso.Build()


def pytest_sessionfinish(session: pytest.Session) -> None:
    if build := session.config.stash.get(IMAGE, None):
        build.stop()


@pytest.fixture(scope="session")
def live_image(request: pytest.FixtureRequest) -> Image:
    """The live image, with this run's bee in it."""
    build = request.config.stash.get(IMAGE, None)
    if build is None:
        pytest.skip("building a live image needs root")
    capture = request.config.pluginmanager.getplugin("capturemanager")

    def report(line: str) -> None:
        with capture.global_and_fixture_disabled():
            print(f"\niso: {line}", file=sys.stderr, end="", flush=True)  # noqa: T201

    try:
        return build.wait(report)
    except LabError as error:
        pytest.fail(str(error), pytrace=False)

"""Who has to go when places run short, and who because they take nothing; sockets that come from systemd."""

import os
import socket
from collections.abc import Iterator

import pytest
from tornado.iostream import IOStream, StreamClosedError

from bee_web.connections import (
    LOOK_SECONDS,
    MANY,
    PER_CLIENT,
    SLOWEST_BYTES_PER_SECOND,
    STALL_SECONDS,
    SWEEP_SECONDS,
    WAITING_BYTES_MAX,
    Connections,
)
from bee_web.server import taken_bytes, waiting_bytes
from bee_web.sockets import NoSocket, from_systemd, on_port


class Line:
    """A connection. ``waits``: bytes of an answer that it has not taken; ``taken``: those that it has."""

    def __init__(self, waits: int = 0) -> None:
        self.waits = waits
        self.taken = 0
        self.is_closed = False

    def writing(self) -> bool:
        return self.waits > 0

    def closed(self) -> bool:
        return self.is_closed

    def close(self) -> None:
        self.is_closed = True

    def take(self, count: int) -> None:
        self.taken += count
        self.waits -= count


class Place:
    def __init__(self) -> None:
        self.now = 1000.0
        self.guests = Connections(
            lambda line: line.taken,  # type: ignore[attr-defined]
            lambda line: line.waits,  # type: ignore[attr-defined]
            clock=lambda: self.now,
        )

    def enters(self, client: str = "10.0.0.1", *, asks: bool = False) -> Line:
        line = Line()
        self.now += 0.001
        assert self.guests.admit(line, client)
        if asks:
            self.guests.asks(line)
        return line

    def pass_time(self, seconds: float) -> None:
        end = self.now + seconds
        while self.now < end:
            self.now += SWEEP_SECONDS
            self.guests.sweep()


@pytest.fixture
def place() -> Place:
    return Place()


def test_one_address_gets_so_many_and_its_longest_waiting_goes(place: Place) -> None:
    other = place.enters("10.0.0.2")
    lines = [place.enters() for _ in range(PER_CLIENT)]
    place.guests.asks(lines[0])
    place.enters()
    assert [line.is_closed for line in lines[:3]] == [False, True, False]
    assert not other.is_closed
    assert len(place.guests) == PER_CLIENT + 1


def test_an_address_whose_requests_are_all_being_answered_gets_no_more(place: Place) -> None:
    lines = [place.enters(asks=True) for _ in range(PER_CLIENT)]
    assert not place.guests.admit(Line(), "10.0.0.1")
    assert place.guests.admit(Line(), "10.0.0.2")
    assert not any(line.is_closed for line in lines)
    assert place.guests.busy == PER_CLIENT


def test_when_all_places_are_taken_who_waits_longest_goes(place: Place) -> None:
    lines = [place.enters(f"10.0.{number // 200}.{number % 200}") for number in range(MANY)]
    place.enters("10.1.0.1")
    assert [line.is_closed for line in lines[:2]] == [True, False]
    assert len(place.guests) == MANY


def test_when_nobody_waits_who_takes_nothing_goes(place: Place) -> None:
    lines = [place.enters(asks=True) for _ in range(PER_CLIENT)]
    lines[5].waits = 100_000
    place.pass_time(SWEEP_SECONDS)
    place.enters()
    assert [line.is_closed for line in lines] == [number == 5 for number in range(PER_CLIENT)]


def test_who_takes_nothing_goes_after_a_while(place: Place) -> None:
    line = place.enters(asks=True)
    line.waits = 100_000
    place.pass_time(STALL_SECONDS)
    assert len(place.guests) == 1
    place.pass_time(SWEEP_SECONDS)
    assert len(place.guests) == 0
    assert line.is_closed


def test_a_slow_line_that_takes_steadily_stays(place: Place) -> None:
    line = place.enters(asks=True)
    line.waits = 10_000_000
    for _ in range(100):
        line.take(int(SLOWEST_BYTES_PER_SECOND * SWEEP_SECONDS) + 1)
        place.pass_time(SWEEP_SECONDS)
    assert not line.is_closed


def test_who_has_taken_everything_may_listen_for_hours(place: Place) -> None:
    line = place.enters(asks=True)
    for _ in range(1000):
        line.waits = 500
        line.take(500)
        place.pass_time(SWEEP_SECONDS)
    assert not line.is_closed


def test_when_too_much_waits_the_most_goes_first(place: Place) -> None:
    lines = [place.enters(f"10.0.0.{number}", asks=True) for number in range(4)]
    for line, share in zip(lines, (0.5, 0.4, 0.3, 0.001), strict=True):
        line.waits = int(WAITING_BYTES_MAX * share)
    place.guests.sweep()
    assert [line.is_closed for line in lines] == [True, False, False, False]


def test_what_waits_is_counted_when_requests_come_and_not_for_each(place: Place) -> None:
    lines = [place.enters(f"10.0.0.{number}", asks=True) for number in range(3)]
    for line in lines[:2]:
        line.waits = WAITING_BYTES_MAX
    place.guests.asks(lines[2])
    assert not any(line.is_closed for line in lines)
    place.now += LOOK_SECONDS
    place.guests.asks(lines[2])
    assert [line.is_closed for line in lines] == [True, False, False]


def test_when_it_was_asked_last_is_known_for_the_idle_end(place: Place) -> None:
    line = place.enters(asks=True)
    place.now += 50
    assert place.guests.busy == 1
    place.guests.waits(line)
    assert place.guests.busy == 0
    place.guests.gone(line)
    assert place.guests.last_request == place.now
    assert len(place.guests) == 0


async def test_what_a_real_connection_has_taken_and_what_waits_also_when_it_is_closed(
    listening: socket.socket,
) -> None:
    with socket.create_connection(listening.getsockname()):
        accepted, _ = listening.accept()
        stream = IOStream(accepted)
        written = stream.write(b"x" * (16 << 20))
        taken = taken_bytes(stream)
        assert taken + waiting_bytes(stream) == 16 << 20
        assert waiting_bytes(stream) > 0
        stream.close()
        assert (taken_bytes(stream), waiting_bytes(stream)) == (taken, 0)
        assert not stream.writing()
        with pytest.raises(StreamClosedError):
            await written


# Sockets.


@pytest.fixture
def listening() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as made:
        yield made


def passed(count: str = "1", pid: int | None = None) -> dict[str, str]:
    return {"LISTEN_PID": str(os.getpid() if pid is None else pid), "LISTEN_FDS": count}


def test_a_socket_of_systemd_is_taken_over(listening: socket.socket) -> None:
    number = os.dup(listening.fileno())
    (taken,) = from_systemd(passed(), first=number)
    with taken:
        assert taken.getsockname() == listening.getsockname()
        assert not os.get_inheritable(number)
        assert not taken.getblocking()


def test_what_was_meant_for_another_process_is_not_touched(listening: socket.socket) -> None:
    assert from_systemd(passed(pid=1), first=listening.fileno()) == []
    assert from_systemd({}, first=listening.fileno()) == []
    assert listening.getsockname()


@pytest.mark.parametrize("count", ["", "0", "-1", "x", "9999"])
def test_a_count_that_is_none_is_an_error(count: str) -> None:
    with pytest.raises(NoSocket, match="LISTEN_FDS"):
        from_systemd(passed(count))


def test_what_does_not_listen_is_an_error_and_stays_open(listening: socket.socket) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as wrong:
        with pytest.raises(NoSocket, match="not a listening stream socket"):
            from_systemd(passed(), first=wrong.fileno())
        assert wrong.getsockname()
    reader, writer = os.pipe()
    try:
        with pytest.raises(NoSocket, match="not a socket"):
            from_systemd(passed(), first=reader)
    finally:
        os.close(reader)
        os.close(writer)


def test_a_port_that_is_taken_is_named(listening: socket.socket) -> None:
    port = listening.getsockname()[1]
    with pytest.raises(NoSocket, match=f"port {port}: Address already in use"):
        on_port(port, "127.0.0.1")

"""The events that all pages get: numbered, encoded once, gone on with after a break, bounded."""

import asyncio
import re

import pytest

from bee_web.live.hub import LAG_EVENTS, Hub, Stream, TooManyStreams

SHORT = 0.01


def told(frames: bytes) -> list[str]:
    """The topics and data, in order: "gpus 1"."""
    found = re.findall(rb"id: \d+\nevent: ([\w-]+)\ndata: (.*)\n\n", frames)
    return [f"{topic.decode()} {data.decode()}" for topic, data in found]


def last_id(frames: bytes) -> str:
    found: list[bytes] = re.findall(rb"id: (\d+)\n", frames)
    return found[-1].decode()


async def news(stream: Stream) -> list[str]:
    return told(await stream.next(SHORT))


async def test_who_comes_gets_the_newest_of_each_topic_and_then_all_that_happens() -> None:
    hub = Hub()
    for number in range(3):
        hub.publish("gpus", b"%d" % number)
    hub.publish("audit", b"9")
    hub.publish("gpu-event", b'"lost"', is_state=False)
    stream = hub.stream()
    assert await news(stream) == ["gpus 2", "audit 9"], "what happened before is no news"
    hub.publish("gpus", b"3")
    hub.publish("gpu-event", b'"back"', is_state=False)
    assert await news(stream) == ["gpus 3", 'gpu-event "back"']
    assert await stream.next(SHORT) == b""


async def test_the_same_bytes_go_to_every_stream() -> None:
    hub = Hub()
    streams = [hub.stream() for _ in range(3)]
    for stream in streams:
        await stream.next(SHORT)
    hub.publish("gpus", b'{"a":1}')
    assert len({await stream.next(SHORT) for stream in streams}) == 1


async def test_a_state_that_is_what_it_was_is_told_once() -> None:
    hub = Hub()
    stream = hub.stream()
    await stream.next(SHORT)
    hub.publish("services", b'{"bus":true}')
    hub.publish("services", b'{"bus":true}')
    assert await news(stream) == ['services {"bus":true}']
    hub.publish("gpu-event", b'"x"', is_state=False)
    hub.publish("gpu-event", b'"x"', is_state=False)
    assert len(await news(stream)) == 2, "what happens twice is told twice"


async def test_after_a_break_it_goes_on_where_it_was() -> None:
    hub = Hub()
    first = hub.stream()
    hub.publish("gpus", b"1")
    known = last_id(await first.next(SHORT))
    first.close()
    for number in range(100):
        hub.publish("gpus", b"%d" % (number + 2))
    hub.publish("gpu-event", b'"lost"', is_state=False)
    again = hub.stream(known)
    assert await news(again) == [*(f"gpus {number + 2}" for number in range(100)), 'gpu-event "lost"']


async def test_after_a_break_that_was_too_long_there_is_the_state_and_what_is_still_known() -> None:
    hub = Hub(ring_events=10)
    hub.publish("audit", b"1")
    known = last_id(await hub.stream().next(SHORT))
    hub.publish("gpu-event", b'"too old"', is_state=False)
    for number in range(20):
        hub.publish("gpus", b"%d" % number)
    hub.publish("gpu-event", b'"lost"', is_state=False)
    hub.publish("gpus", b"99")
    assert await news(hub.stream(known)) == ['gpu-event "lost"', "gpus 99"], "the audit is known there"


@pytest.mark.parametrize("known", ["", "soon", "-1", "1", "٣", "9" * 19, "9" * 40])
async def test_an_id_that_was_never_given_begins_anew(known: str) -> None:
    hub = Hub()
    hub.publish("audit", b"1")
    assert await news(hub.stream(known)) == ["audit 1"]


async def test_an_id_of_an_earlier_life_is_older_than_all_of_this_one() -> None:
    before = Hub()
    before.publish("audit", b"1")
    known = last_id(await before.stream().next(SHORT))
    await asyncio.sleep(0.005)
    after = Hub()
    after.publish("gpu-event", b'"lost"', is_state=False)
    after.publish("audit", b"2")
    assert await news(after.stream(known)) == ['gpu-event "lost"', "audit 2"]


async def test_who_falls_behind_gets_the_newest_state_and_every_event() -> None:
    hub = Hub()
    slow = hub.stream()
    await slow.next(SHORT)
    hub.publish("gpu-event", b'"lost"', is_state=False)
    for number in range(LAG_EVENTS + 1):
        hub.publish("gpus", b"%d" % number)
    hub.publish("audit", b"1")
    assert await news(slow) == ['gpu-event "lost"', f"gpus {LAG_EVENTS}", "audit 1"]


async def test_who_is_only_a_little_behind_gets_all_of_it() -> None:
    hub = Hub()
    stream = hub.stream()
    await stream.next(SHORT)
    for number in range(LAG_EVENTS):
        hub.publish("gpus", b"%d" % number)
    assert len(await news(stream)) == LAG_EVENTS


async def test_what_is_forgotten_is_not_told_to_who_comes_later() -> None:
    hub = Hub()
    hub.publish("gpus", b"1")
    hub.publish("audit", b"1")
    hub.forget("gpus")
    assert await news(hub.stream()) == ["audit 1"]
    hub.publish("gpus", b"1")
    assert await news(hub.stream()) == ["audit 1", "gpus 1"]


async def test_a_fresh_stream_knows_where_it_is_also_with_nothing_to_tell() -> None:
    hub = Hub()
    hub.publish("gpu-event", b'"old"', is_state=False)
    known = last_id(await hub.stream().next(SHORT))
    hub.publish("gpu-event", b'"new"', is_state=False)
    assert await news(hub.stream(known)) == ['gpu-event "new"']


async def test_one_address_leaves_room_for_others() -> None:
    hub = Hub(streams_max=4, streams_max_of_one=2)
    first = hub.stream(client="10.0.0.1")
    hub.stream(client="10.0.0.1")
    with pytest.raises(TooManyStreams):
        hub.stream(client="10.0.0.1")
    hub.stream(client="10.0.0.2")
    first.close()
    hub.stream(client="10.0.0.1")


async def test_there_are_only_so_many_streams_and_memory() -> None:
    hub = Hub(ring_events=50, streams_max=2)
    first = hub.stream()
    hub.stream()
    with pytest.raises(TooManyStreams):
        hub.stream()
    first.close()
    hub.stream()
    for number in range(10_000):
        hub.publish("gpu-event", b"%d" % number, is_state=False)
    assert len(hub.since(hub.number - 10_000, all_states=True)) < 50 * 60


async def test_a_stream_that_is_closed_ends_at_once() -> None:
    hub = Hub()
    stream = hub.stream()
    await stream.next(SHORT)
    waiting = asyncio.create_task(stream.next(60))
    await asyncio.sleep(0)
    stream.close()
    assert await waiting == b""
    assert (stream.closed, hub.streams) == (True, 0)

"""What was sampled: from a question on the bus to rows of numbers."""

from collections.abc import Callable, Mapping, Sequence

import msgspec

from bee_bus import errors
from bee_bus.documents.gpus import GpuHistory
from bee_gpu.card import Card
from bee_gpu.ring import FIELDS

# An answer is one string on the bus, which takes 24 MiB at most; a number takes up to 20 characters.
CELLS_MAX = 1_000_000
_CLOCKS_DIFFER_SECONDS = 60.0


class Question(msgspec.Struct, frozen=True):
    """``gpu``: PCI address, UUID, number or empty for all."""

    gpu: str
    since_unix_seconds: float
    fields: tuple[str, ...]


def question(gpu: str, since: int, fields: Sequence[str], *, now: float) -> Question:
    """Raises InvalidOption for a field that there is none of, and for a time that is still to come."""
    unknown = [name for name in fields if name not in FIELDS]
    if unknown:
        raise errors.InvalidOption(f"there is no field {unknown[0]!r}; fields: {', '.join(FIELDS)}")
    if since / 1e6 > now + _CLOCKS_DIFFER_SECONDS:
        raise errors.InvalidOption("since is in the future; it is in microseconds since 1970")
    return Question(gpu, since / 1e6, tuple(dict.fromkeys(fields)) or FIELDS)


def answer(cards: Mapping[str, Card], asked: Question) -> Callable[[], str]:
    """The work that writes the answer; it may run in another thread. Raises NotFound and InvalidOption."""
    wanted = find(cards, asked.gpu)
    cells = sum(len(card.ring) for card in wanted) * (1 + len(asked.fields))
    if cells > CELLS_MAX:
        raise errors.InvalidOption("that is more than fits in one answer: name one GPU, or fewer fields")
    copies = [(card.id, card.ring.copy()) for card in wanted]

    def write() -> str:
        histories = [
            GpuHistory(
                gpu=gpu_id,
                fields=asked.fields,
                samples=tuple(rows.since(asked.since_unix_seconds, asked.fields)),
            )
            for gpu_id, rows in copies
        ]
        return msgspec.json.encode(histories).decode()

    return write


def find(cards: Mapping[str, Card], gpu: str) -> list[Card]:
    """The GPUs that a name stands for. Raises NotFound."""
    if not gpu:
        return list(cards.values())
    for card in cards.values():
        identity = card.identity
        names = {card.id, identity.uuid if identity else None}
        if gpu.lower() in names or gpu in names or (identity and gpu == str(identity.index)):
            return [card]
    raise errors.NotFound(f"there is no GPU {gpu[:60]!r}; GPUs: {', '.join(cards) or 'none'}")

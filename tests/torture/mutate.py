"""Messages that were good once: what a fuzzer makes of the specification's vectors."""

from __future__ import annotations

import random

from support import vectors
from vaporbrush_protocol import codec
from vaporbrush_protocol.errors import RequestError
from vaporbrush_protocol.zmtp import framed

HARMFUL = (b"shutdown", b"fetch_model")  # an attacker with the token may ask for these; here they would end the run
LENGTHS = (0, 1, 0x7F, 0xFF, 0xFFFF, 2**20, 2**31 - 1, 2**31, 2**63, 2**64 - 1)


def seeds() -> list[list[bytes]]:
    """The frames of every vector, good and bad, that does no harm and is short enough to be sent a million times."""
    found = [vector["frames"] for name in ("good.json", "bad.json") for vector in vectors.load(name)]
    return [
        frames
        for frames in found
        if frames and sum(map(len, frames)) <= 4096 and not any(word in frame for frame in frames for word in HARMFUL)
    ]


def harmless(frames: list[bytes]) -> bool:
    """Whether no request that would end the run has come out."""
    body = frames[1:] if frames and not frames[0] else frames
    try:
        header, _ = codec.decode(body)
    except RequestError:  # nothing comes out
        return True
    return str(header.get("request")).encode("utf-8", "replace") not in HARMFUL


def damaged(dice: random.Random, data: bytes) -> bytes:
    """One to four changes to some bytes."""
    made = bytearray(data or b"\0")
    for _ in range(dice.choice((1, 1, 1, 2, 4))):
        at = dice.randrange(len(made) or 1)
        what = dice.randrange(7)
        if what == 0 and made:
            made[at] ^= 1 << dice.randrange(8)
        elif what == 1 and made:
            made[at] = dice.choice((0x00, 0x7F, 0x80, 0xC0, 0xC1, 0xD9, 0xDC, 0xDD, 0xDF, 0xFF))
        elif what == 2:
            made[at:at] = dice.randbytes(dice.randrange(1, 9))
        elif what == 3:
            del made[at : at + dice.randrange(1, 9)]
        elif what == 4:
            made[at:at] = made[at : at + dice.randrange(1, 33)] * dice.randrange(1, 5)
        elif what == 5:
            made[at : at + 8] = dice.choice(LENGTHS).to_bytes(8, "big")[-dice.choice((1, 2, 4, 8)) :]
        else:
            del made[at:]
    return bytes(made)


def mutated(dice: random.Random, pool: list[list[bytes]]) -> list[bytes]:
    """The frames of one message: mostly a damaged header, sometimes damaged framing, sometimes noise."""
    while True:
        frames = list(dice.choice(pool))
        what = dice.randrange(10)
        if what < 6:
            index = dice.randrange(len(frames))
            frames[index] = damaged(dice, frames[index])
        elif what == 6:
            frames.insert(dice.randrange(len(frames) + 1), dice.randbytes(dice.randrange(20)))
        elif what == 7:
            del frames[dice.randrange(len(frames))]
        elif what == 8:
            frames = [*frames, *dice.choice(pool)]
        else:
            frames = [dice.randbytes(dice.randrange(60)) for _ in range(dice.randrange(1, 6))]
        if any(frames) and harmless(frames):
            return frames


def wire(frames: list[bytes]) -> bytes:
    """A message as ZMTP puts it on the wire."""
    return b"".join(bytes(piece) for piece in framed(list(frames)))

"""Who does not belong to a studio: connections that say something else than a member would."""

from __future__ import annotations

import contextlib
import random
import socket
import ssl

WAIT_S = 10.0


def client_hello() -> bytes:
    """The first message of a handshake in TLS."""
    made = ssl.create_default_context()
    made.check_hostname, made.verify_mode = False, ssl.CERT_NONE
    inward, outward = ssl.MemoryBIO(), ssl.MemoryBIO()
    with contextlib.suppress(ssl.SSLWantReadError):  # nobody answers: the first words are what is wanted
        made.wrap_bio(inward, outward).do_handshake()
    return outward.read()


def damaged(message: bytes, chance: random.Random) -> bytes:
    """The same with some bytes changed, cut short, or with something behind it."""
    changed = bytearray(message)
    for _ in range(chance.randint(1, 8)):
        changed[chance.randrange(len(changed))] = chance.randrange(256)
    behind = chance.randbytes(chance.randint(1, 64)) if chance.random() < 0.1 else b""
    return bytes(changed[: chance.randint(1, len(changed))]) + behind


def heard_plainly(port: tuple[str, int], said: bytes) -> bytes:
    """What is answered to these bytes."""
    with socket.create_connection(port, WAIT_S) as plain:
        return answered(plain, said)


def answered(plain: socket.socket, said: bytes) -> bytes:
    """Everything that comes back at once, and after the end of what is said."""
    answer = b""
    with contextlib.suppress(OSError):  # cut off: what came before that counts
        plain.sendall(said)
        plain.shutdown(socket.SHUT_WR)
        while piece := plain.recv(65536):
            answer += piece
    return answer

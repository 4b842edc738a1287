"""Every size and time that both sides of the wire agree on. The daemon announces them in `hello`."""

PROTOCOL = b"VPBR/1"  # first frame of every message; the digit is the major version
PROTOCOL_MAJOR = 1  # grows when an old peer would be broken
PROTOCOL_MINOR = 1  # grows when something is added

MAX_HEADER_BYTES = 64 * 1024  # a header is a few hundred bytes; 1 MiB of empty maps would cost 72 MiB to decode
MAX_CHUNK_BYTES = 1024 * 1024  # 1 MiB chunks move 3 GB/s and let a cancel pass in 2 ms; whole pictures do neither
MAX_FRAME_BYTES = 2 * 1024 * 1024  # libzmq allocates what a frame claims before it arrives: keep the claim small
MAX_FRAMES = 3  # protocol, header, chunk
MAX_DEPTH = 8  # nesting of a header; deep input breaks recursive code
MAX_OUTSTANDING = 8  # requests without a reply on one connection; ×1 MiB bounds what an honest peer can buffer here

MAX_BLOB_BYTES = 2 * 1024**3  # an 8192² float RGBA layer is 1 GiB
MAX_SIDE = 16_384  # pixels; larger layers do not fit a blob
MIN_SIDE = 16  # pixels; relu5_1 sees 1/16 of the side, so that below this nothing is left to compare
MAX_STYLES = 8  # more styles in one painting cannot be told apart
MAX_HELD = (
    4  # earlier frames of a film; each is as large as the content, and of more than a few nothing is left to gain
)
MAX_STEPS = 10_000  # optimiser steps in one job
MAX_NAME_BYTES = 200  # names of clients, layers, devices
PREVIEW_SIDE = 512  # pixels; 512² RGB is 768 KiB and fits one chunk

MAX_WATCH_S = 30.0  # longest wait of a long poll
DEFAULT_LEASE_S = 15.0  # a client that said nothing about its job for so long is taken for gone
MAX_LEASE_S = 3600.0  # a laptop may sleep over lunch; longer than that, nobody waits
LIST_PAGE = 50  # jobs in one reply to `list`, so that it fits a header

REQUEST_TIMEOUT_S = 10.0  # a reply that takes longer than this (besides `watch`) means the daemon hangs
CONNECT_TIMEOUT_S = 2.0
RECONNECT_S = 5.0  # how long a broken connection waits for a daemon that is being restarted
START_TIMEOUT_S = 20.0  # a cold Python start on a slow disk, generously

# What `hello` announces, so that a client can refuse at home what the daemon would refuse.
ANNOUNCED: dict[str, float] = {
    "max_header_bytes": MAX_HEADER_BYTES,
    "max_chunk_bytes": MAX_CHUNK_BYTES,
    "max_depth": MAX_DEPTH,
    "max_outstanding": MAX_OUTSTANDING,
    "max_blob_bytes": MAX_BLOB_BYTES,
    "max_side": MAX_SIDE,
    "min_side": MIN_SIDE,
    "max_styles": MAX_STYLES,
    "max_steps": MAX_STEPS,
    "max_name_bytes": MAX_NAME_BYTES,
    "preview_side": PREVIEW_SIDE,
    "max_watch_s": MAX_WATCH_S,
    "default_lease_s": DEFAULT_LEASE_S,
    "max_lease_s": MAX_LEASE_S,
    "list_page": LIST_PAGE,
}

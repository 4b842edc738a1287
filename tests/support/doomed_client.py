"""A client that gets as far as it is asked to, says so, and then waits to be killed.

python doomed_client.py upload|run|follow|download finish|cancel

(`follow` watches its job to the end, and says how it ended, if it is let live.)
"""

from __future__ import annotations

import hashlib
import sys
import time
import uuid

from support.daemon import picture
from support.fake_worker import ENDLESS, WELL
from vaporbrush_protocol import Image, Recipe, Style, connect

LARGE = bytes(range(256)) * 16384  # 4 MiB, four chunks
LEASE_S = 1.0


def main() -> None:
    phase, on_lease_end = sys.argv[1:]
    client = connect(name="doomed")
    said = ""
    if phase == "upload":
        blob = hashlib.sha256(LARGE).hexdigest()
        client.request("put", {"blob": blob, "size": len(LARGE), "offset": 0}, LARGE[: 1 << 20])
    else:
        content, pixels = picture(tint=9)
        client.upload(pixels)
        seed = ENDLESS if phase in ("run", "follow") else WELL
        job = client.submit(
            Recipe(content, (Style(image=content),), seed=seed), str(uuid.uuid4()), LEASE_S, on_lease_end=on_lease_end
        )
        while job.state != ("done" if phase == "download" else "running"):
            job = client.watch(job.job, job.seq)
        if phase == "download":
            assert isinstance(job.image, Image)
            client.request("get", {"blob": job.image.blob, "offset": 0, "size": 10})
        said = job.job
    print("here", said, flush=True)
    if phase == "follow":
        while not job.final:
            job = client.watch(job.job, job.seq)
        print("ended", job.state, flush=True)
    time.sleep(3600)


if __name__ == "__main__":
    main()

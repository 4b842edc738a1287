"""A day of a plug-in of 0.1.0: `old_client.py FOLDER`, the folder with its vendored protocol package.

Runs by itself, on nothing but that package. What it found out, it prints as JSON.
"""

import hashlib
import json
import sys
import time
import uuid
from pathlib import Path

sys.path.insert(0, sys.argv[1])

import vaporbrush_protocol as protocol
from vaporbrush_protocol import Client, Image, LinkError, Recipe, RemoteError, Style, connect

ENDLESS = 8  # as the fake worker reads a recipe's seed
assert Path(protocol.__file__).is_relative_to(sys.argv[1])
assert protocol.__version__ == "0.1.0"


class CutOffError(Exception):
    """The plug-in goes away in the middle of something."""


def picture(tint: int, width: int = 16, height: int = 16) -> tuple[Image, bytes]:
    pixels = bytes((tint + 7 * i) % 256 for i in range(width * height * 3))
    return Image(hashlib.sha256(pixels).hexdigest(), width, height, "RGB"), pixels


def painted(client: Client) -> dict[str, object]:
    (content, pixels), (style, strokes) = picture(1), picture(2)
    recipe = Recipe(content, (Style(image=style),))
    seen = []
    job, made = client.stylize(
        recipe, {content.blob: pixels, style.blob: strokes}, on_progress=seen.append, preview_side=64, label="old"
    )
    assert bytes(made) == bytes(255 - byte for byte in pixels)
    assert job.state == "done"
    estimate = client.estimate(recipe)
    assert estimate["width"] == 16
    return {"phases": sorted({one.progress.phase for one in seen if one.progress}), "result": sorted(job.result)}


def resumed(client: Client) -> dict[str, int]:
    """An upload that is cut off goes on where it stopped."""
    image, pixels = picture(3, 2048, 2048)  # 12 chunks

    def cut_off(done: int, _size: int) -> None:
        if done > len(pixels) // 3:
            raise CutOffError

    try:
        client.upload(pixels, cut_off)
    except CutOffError:
        client.close()
    steps: list[int] = []
    assert client.upload(pixels, lambda done, _size: steps.append(done)) == image.blob
    return {"began_at": steps[0], "ended_at": steps[-1], "size": len(pixels)}


def followed(client: Client) -> dict[str, object]:
    """Watched, listed, finished, cancelled, released."""
    (content, pixels), (style, strokes) = picture(4), picture(5)
    for data in (pixels, strokes):
        client.upload(data)
    endless = Recipe(content, (Style(image=style),), seed=ENDLESS)
    jobs = [client.submit(endless, str(uuid.uuid4()), label="endless") for _ in range(3)]
    state = client.watch(jobs[0].job)
    while not (state.progress and state.progress.phase == "painting"):
        state = client.watch(state.job, state.seq)
    assert [job.job for job in client.jobs()][-3:] == [job.job for job in jobs]
    assert client.watch(jobs[1].job).position == 1 - 1
    finishing = client.finish(jobs[0].job)
    while not finishing.final:
        finishing = client.watch(finishing.job, finishing.seq)
    states = [finishing.state, client.cancel(jobs[1].job).state, client.release(jobs[2].job).state]
    client.release(jobs[0].job)
    return {"states": states}


def refused(client: Client) -> dict[str, str]:
    codes = {}
    content, _ = picture(6)
    tries = {
        "estimate": lambda: client.estimate(Recipe(Image("", 8, 8), (Style(name="vaporwave"),))),
        "submit": lambda: client.submit(Recipe(content, (Style(image=content),))),
        "watch": lambda: client.watch(str(uuid.uuid4())),
        "story": lambda: client.request("tell_me", {}),
        "bad": lambda: client.request("watch", {"job": 7}),
    }
    for name, attempt in tries.items():
        try:
            attempt()
        except RemoteError as error:
            codes[name] = error.code
    return codes


with connect(name="old plug-in") as client:
    found: dict[str, object] = {"minor": client.hello()["minor"]}
    assert client.ping() < 60
    for act in (painted, resumed, followed, refused):
        found[act.__name__] = act(client)
    assert any(style["name"] == "vaporwave" for style in client.styles()["styles"])
    assert {model["name"] for model in client.models()["models"]} >= {"vgg19"}
    assert client.status()["workers"][0]["device"] == "cpu"
    assert client.unload()["unloaded"] == 1
    client.shutdown()


def started() -> Client:
    """By the command in the file that today's daemon wrote. It may still be ending: then it is asked again."""
    give_up = time.monotonic() + 60
    while True:
        try:
            return connect(start=True, name="old plug-in")
        except LinkError:
            if time.monotonic() > give_up:
                raise
            time.sleep(0.2)


with started() as client:
    found["started"] = client.daemon["daemon"]
    client.shutdown()
print(json.dumps(found))

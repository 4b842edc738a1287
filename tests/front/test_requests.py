"""What the daemon answers, asked through the real client, with the fake worker."""

from __future__ import annotations

import json
import sys
import uuid
from pathlib import Path

import pytest
from PIL import Image as Pillow

from support import fake_worker as fake
from support.daemon import Daemon, ended, picture, recipe, running, serving
from vaporbrush_daemon import plan
from vaporbrush_daemon.front.models import LOAD_S, START_S
from vaporbrush_protocol import Client, Image, Recipe, RemoteError, Style
from vaporbrush_protocol.recipe import DEFAULT_STRENGTH


def test_status_tells_what_a_person_may_want_to_know(daemon: Daemon, client: Client) -> None:
    job = running(client, client.submit(recipe(client, fake.ENDLESS)))
    status = client.status()
    (worker,) = status["workers"]
    assert (worker["device"], worker["state"], worker["job"]) == ("cpu", "busy", job.job)
    assert worker["pid"] > 0
    assert worker["rss_bytes"] > 1_000_000
    assert status["queue"]["max_jobs"] == 64
    assert status["queue"]["bytes"] == 2 * 16 * 16 * 3
    assert status["config"]["devices"] == {"value": ["cpu"], "origin": str(daemon.home / "config.toml")}
    assert status["endpoints"] == [f"ipc://{daemon.home}/run/daemon.sock"]
    assert status["log"] == str(daemon.home / "logs" / "daemon.log")
    assert status["counters"]["workers_started"] == 1
    client.cancel(job.job)


def test_styles_come_with_thumbnails_and_paint_by_name(daemon: Daemon, client: Client) -> None:
    styles = daemon.home / "styles"
    Pillow.new("RGBA", (300, 150), (255, 0, 0, 128)).save(styles / "my_red-wall.png")
    sideways = Pillow.Exif()
    sideways[0x0112] = 6
    Pillow.new("RGB", (300, 150)).save(styles / "sideways.jpg", exif=sideways)
    (styles / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\nrubbish")
    (styles / "notes.txt").write_text("no picture")
    listed = {style["name"]: style for style in client.styles()["styles"]}
    assert "vaporwave" in listed
    assert "broken" not in listed
    mine = listed["my_red-wall"]
    assert (mine["title"], mine["width"], mine["height"]) == ("My red wall", 300, 150)
    assert mine["strength"] == DEFAULT_STRENGTH
    assert (listed["sideways"]["width"], listed["sideways"]["height"]) == (150, 300)
    assert listed["sideways"]["thumb"]["height"] == 128
    thumb = Image.from_wire("thumb", mine["thumb"])
    assert (thumb.width, thumb.height, thumb.channels) == (128, 64, "RGB")
    assert bytes(client.download(thumb))[:3] == bytes((255, 0, 0))

    content, pixels = picture()
    client.upload(pixels)
    painted = ended(client, client.submit(Recipe(content, (Style(name="my_red-wall"),))))
    resolved = Recipe.from_wire(painted.result["recipe"]).styles[0].image
    assert (resolved.width, resolved.height, resolved.channels) == (300, 150, "RGBA")
    assert bytes(client.download(resolved))[:4] == bytes((255, 0, 0, 128)), "the recipe is pinned to the pixels"
    for name, code, says in (("nobody", "unknown_style", "vaporwave"), ("broken", "bad_field", "broken.png")):
        with pytest.raises(RemoteError, match=says) as refused:
            client.submit(Recipe(content, (Style(name=name),)))
        assert refused.value.code == code


def test_a_style_picture_that_was_replaced_is_read_again(daemon: Daemon, client: Client) -> None:
    path = daemon.home / "styles" / "wall.png"
    seen = []
    for colour in ((255, 0, 0), (0, 255, 0)):
        Pillow.new("RGB", (64, 64), colour).save(path)
        seen += [style["thumb"]["blob"] for style in client.styles()["styles"] if style["name"] == "wall"]
    assert len(set(seen)) == 2


def test_models_say_what_auto_means_and_how_to_get_the_full_one(home: Path) -> None:
    with serving(home, weights="") as daemon, daemon.client() as client:
        models = client.models()
        full, lite = models["models"]
        assert (full["name"], full["present"], full["source"]) == ("vgg19", False, "fetched")
        assert "vaporbrush weights fetch" in models["message"]
        assert models["auto"] == ("vgg19-lite" if lite["present"] else "")
        wanted = recipe(client)
        if lite["present"]:
            assert ended(client, client.submit(wanted)).result["model"] == "vgg19-lite"
    with serving(home, weights="/nowhere.pth") as daemon, daemon.client() as client:
        with pytest.raises(RemoteError, match=r"names /nowhere\.pth, which does not exist") as refused:
            client.submit(Recipe(wanted.content, wanted.styles, model="vgg19"))
        assert refused.value.code == "weights_missing"


def test_an_estimate_needs_no_pictures_and_says_whether_speed_was_measured(daemon: Daemon, client: Client) -> None:
    wanted = Recipe(Image("", 4000, 3000), (Style(name="vaporwave"),), quality="draft")
    guess = client.estimate(wanted)
    assert guess["measured"] is False
    assert (guess["width"], guess["height"]) == (4000, 3000)
    assert guess["painted_width"] < 4000
    assert guess["seconds"] - START_S - LOAD_S <= plan.SCHEDULES["draft"].budget_s, "and no worker runs yet"
    assert guess["memory_bytes"] > 0
    assert "history" in guess["plan"]
    plan.write_speed(daemon.home / "cache", "cpu", "vgg19", plan.Speed("bf16", 0.001, 0.001, measured=True))
    fast = client.estimate(wanted)
    assert fast["measured"] is True
    assert fast["painted_width"] > guess["painted_width"]
    for content, style, code in (((8, 8), "vaporwave", "too_small"), ((64, 64), "nobody", "unknown_style")):
        with pytest.raises(RemoteError) as refused:
            client.estimate(Recipe(Image("", *content), (Style(name=style),)))
        assert refused.value.code == code


def test_many_jobs_are_listed_in_pages_that_fit_a_header(home: Path) -> None:
    with serving(home, max_jobs=200) as daemon, daemon.client() as client:
        block = client.submit(recipe(client, fake.ENDLESS))
        wanted = recipe(client)
        jobs = [block.job] + [client.submit(wanted, str(uuid.uuid4()), label="ö" * 100).job for _ in range(130)]
        assert [job.job for job in client.jobs()] == jobs
        first = client.request("list")[0]
        assert len(first["jobs"]) <= 50
        assert first["more"] is True
        client.cancel(block.job)


def test_a_download_is_a_job_with_progress_and_can_be_cancelled(home: Path, tmp_path: Path) -> None:
    script = tmp_path / "fetch.py"
    script.write_text(
        "import sys, time, msgpack, os\n"
        "def tell(**e):\n"
        "    b = msgpack.packb({'job': sys.argv[1], **e}); os.write(1, len(b).to_bytes(4, 'big') + b)\n"
        "for n in range(1, 4):\n"
        "    tell(event='progress', progress={'phase': 'downloading', 'step': n, 'steps': 3}); time.sleep(0.02)\n"
        "if sys.argv[2] == 'vgg19' and not os.path.exists('wait'):\n"
        "    tell(event='fetched', model='vgg19', bytes=3); sys.exit(0)\n"
        "time.sleep(3600)\n"
    )
    with (
        serving(home, fetch_command=[sys.executable, str(script)], weights="/nowhere.pth") as daemon,
        daemon.client() as client,
    ):
        job = client.fetch_model("vgg19")
        assert job.kind == "fetch"
        job = ended(client, job)
        assert (job.state, job.result["bytes"], job.progress.step) == ("done", 3, 3)
        (home / "wait").touch()
        waiting = client.fetch_model("vgg19")
        assert client.cancel(waiting.job).state == "cancelled"
        (home / "wait").unlink()
        assert ended(client, client.fetch_model("vgg19")).state == "done"
        with pytest.raises(RemoteError) as refused:
            client.fetch_model("vgg99")
        assert refused.value.code == "unknown_model"


def test_a_download_of_what_is_there_is_done_at_once(client: Client) -> None:
    job = client.fetch_model("vgg19")
    assert (job.state, job.result["model"]) == ("done", "vgg19")
    assert client.watch(job.job).state == "done"


def test_the_connection_file_starts_the_daemon_again(daemon: Daemon) -> None:
    written = json.loads((daemon.home / "connection.json").read_text())
    assert written["start"][0] == sys.executable
    assert written["start"][-2:] == ["--foreground", "--idle-exit"]
    assert written["pid"] == daemon.pid

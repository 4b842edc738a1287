"""Steps that replay a recording: the same numbers as without, on a stand-in for a device's graphs."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor

from support.fake_device import FakeDevice
from support.networks import picture, tiny
from support.stand_in_graph import StandInRecorder
from vaporbrush_daemon import packaged
from vaporbrush_daemon.engine.grams import style_statistics
from vaporbrush_daemon.engine.graphs import LARGEST, LEAST_STEPS, SWITCH, WARM_UP, Graphs, RecordedSteps
from vaporbrush_daemon.engine.losses import Region, Weighting, tap_weights
from vaporbrush_daemon.engine.models import Models
from vaporbrush_daemon.engine.objective import Canvas, TextureObjective
from vaporbrush_daemon.engine.optimisers import Adam, Lbfgs, Optimiser
from vaporbrush_daemon.engine.painter import Painter, Pictures
from vaporbrush_daemon.engine.phases import Phase
from vaporbrush_daemon.engine.pyramid import Pyramid
from vaporbrush_daemon.engine.speed import GAIN, gain_by_graphs
from vaporbrush_daemon.plan import Speed, read_speed, write_speed
from vaporbrush_protocol.recipe import STYLE_TAPS, Image, Recipe, Style

SIDE = 48
LITE = packaged.models() / "vgg19-lite.safetensors"


def objective(tile: int | None = None) -> TextureObjective:
    network = tiny()
    regions = [Region(style_statistics(network, picture(40, 40, 2), None))]
    canvas = Canvas(network, picture(SIDE, SIDE, 1), Weighting(100.0, tap_weights(None), tv=1.0, lines=0.5), tile=tile)
    return TextureObjective(canvas, regions)


def optimiser_of(name: str, variables: int) -> Optimiser:
    if name == "adam":
        adam = Adam(variables, torch.device("cpu"))
        adam.mean, adam.square = adam.mean.double(), adam.square.double()
        return adam
    return Lbfgs(variables, 4, torch.device("cpu"), first=0.01, longest=0.05, dtype=torch.float64)


def painted(recorder: StandInRecorder | None, optimizer: str = "lbfgs", count: int = 14) -> tuple[Tensor, list[float]]:
    """Where the steps of three phases lead, and their losses. Before the third the optimiser begins anew."""
    loss, pyramid, image = objective(), Pyramid.of(SIDE, SIDE), picture(SIDE, SIDE, 1)
    optimiser, graphs, totals = optimiser_of(optimizer, pyramid.variables), Graphs(recorder), []
    for phase in (Phase(count, STYLE_TAPS[:-1]), Phase(count, STYLE_TAPS, whitened=True), Phase(count, STYLE_TAPS)):
        loss.aim(phase, image)
        if len(totals) == 2 * count:
            optimiser.reset(0.001)
        step = graphs.steps_of(loss, pyramid, optimiser, image, count)
        for _ in range(count):
            losses, image = step(image)
            totals.append(losses.read().total)
    return image, totals


@pytest.mark.parametrize("optimizer", ["lbfgs", "adam"])
def test_steps_by_replay_are_those_without(optimizer: str) -> None:
    """Recorded when L-BFGS has three pairs of four: the ring fills and turns in replays, and goes on in the next phase,
    whose first steps are taken one by one again.
    """
    recorder = StandInRecorder()
    plain, replayed = painted(None, optimizer), painted(recorder, optimizer)
    assert (recorder.recorded, recorder.prepared, recorder.replayed) == (3, 3 * WARM_UP, 3 * (14 - WARM_UP))
    assert recorder.calls > 100
    torch.testing.assert_close(torch.tensor(replayed[1]), torch.tensor(plain[1]), rtol=1e-5, atol=0)
    torch.testing.assert_close(replayed[0], plain[0], rtol=0, atol=1e-5)
    assert len(set(plain[1])) == 3 * 14, "every step changes something"


def test_what_cannot_be_recorded_is_refused_by_the_stand_in() -> None:
    x = torch.zeros(3)
    for work in (lambda: x.add_(float(x.sum())), lambda: x.add_(torch.tensor([1.0, 2.0, 3.0])), x.nonzero):
        with pytest.raises(RuntimeError, match="not permitted"):
            StandInRecorder().record(work)
    count = 0

    def work() -> None:
        nonlocal count
        count += 1
        x.add_(count)

    replay = StandInRecorder().record(work)
    assert x.tolist() == [0, 0, 0], "recording does nothing"
    replay()
    replay()
    assert x.tolist() == [2, 2, 2], "a number that Python counts stays what it was"


def test_where_recording_fails_steps_go_on_one_by_one_and_the_log_says_why(capsys: pytest.CaptureFixture[str]) -> None:
    plain, broken = painted(None), painted(StandInRecorder(broken="operation not permitted when stream is capturing"))
    assert torch.equal(broken[0], plain[0])
    said = capsys.readouterr().err
    assert said.count("could not be recorded") == 1, "and it is not tried again"
    assert "Steps of 48×48 pixels could not be recorded, and are taken one by one: operation not permitted" in said


def test_only_small_images_without_tiles_are_recorded_and_phases_of_some_length() -> None:
    graphs, pyramid = Graphs(StandInRecorder()), Pyramid.of(SIDE, SIDE)
    optimiser, image = optimiser_of("lbfgs", pyramid.variables), picture(SIDE, SIDE)

    def recorded(tile: int | None, image: Tensor, steps: int) -> bool:
        return isinstance(graphs.steps_of(objective(tile), pyramid, optimiser, image, steps), RecordedSteps)

    assert recorded(None, image, LEAST_STEPS)
    assert not recorded(None, image, LEAST_STEPS - 1)
    assert not recorded(16, image, 100)
    assert not recorded(None, torch.empty(1, 3, LARGEST // 1024, 1025, device="meta"), 100)


def test_without_the_switch_nothing_is_recorded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(SWITCH, raising=False)
    assert not Graphs.of(torch.device("cuda:0")).possible
    monkeypatch.setenv(SWITCH, "1")
    assert not Graphs.of(torch.device("cpu")).possible
    assert not Graphs.of(torch.device("mps")).possible


# -- chosen by measurement


class Clock:
    """Shows what each lap is to take, in turn: one by one, then recorded."""

    def __init__(self, plain: float, recorded: float) -> None:
        self.laps, self.now, self.asked = (plain, recorded), 0.0, 0

    def __call__(self) -> float:
        if self.asked % 2:
            self.now += self.laps[self.asked // 2 % 2]
        self.asked += 1
        return self.now


@pytest.mark.parametrize(("recorded", "chosen"), [(0.9 * GAIN, True), (1.02 * GAIN, False)])
def test_graphs_are_chosen_where_they_are_clearly_faster(recorded: float, chosen: bool) -> None:
    models = Models(torch.device("cpu"), {"vgg19-lite": LITE})
    recorder = StandInRecorder()
    found = gain_by_graphs(models, "vgg19-lite", Speed("fp32"), Graphs(recorder), Clock(1.0, recorded))
    assert found is chosen
    assert recorder.replayed > 0


class Patient:
    """A caller that lets the painter paint."""

    def report(self, _progress: object, image: object) -> None:
        """Not looked at."""

    def wanted(self) -> str:
        return "go"


def paint(painter: Painter) -> Tensor:
    rgba = torch.cat([picture(64, 64, 1)[0].permute(1, 2, 0).float(), torch.ones(64, 64, 1)], 2).numpy()
    recipe = Recipe(Image("", 64, 64), (Style(Image("", 64, 64)),), model="vgg19-lite", size="full", steps=24)
    return torch.from_numpy(painter.paint(recipe, Pictures(rgba, [rgba[::-1].copy()]), Patient()).canvas)


def test_a_whole_painting_by_replays_is_that_without_and_the_choice_is_remembered(tmp_path: Path) -> None:
    paintings = []
    for recorder in (None, StandInRecorder()):
        cache = tmp_path / ("recorded" if recorder else "plain")
        painter = Painter("cpu", {"vgg19-lite": LITE}, cache)
        write_speed(cache, "cpu", "vgg19-lite", Speed("fp32", 9.0, 0.01, measured=True, graphs=bool(recorder) or None))
        painter.graphs.recorder = recorder
        paintings.append(paint(painter))
        if recorder:
            assert recorder.replayed >= LEAST_STEPS - WARM_UP
            assert read_speed(cache, "cpu", "vgg19-lite").graphs is True
    torch.testing.assert_close(paintings[1], paintings[0], rtol=0, atol=2e-3)


def test_graphs_that_were_not_measured_are_before_the_first_painting(tmp_path: Path) -> None:
    painter = Painter("cpu", {"vgg19-lite": LITE}, tmp_path)
    write_speed(tmp_path, "cpu", "vgg19-lite", Speed("fp32", 9.0, 0.01, measured=True))
    recorder = painter.graphs.recorder = StandInRecorder()
    assert painter.load("vgg19-lite").graphs is not None
    assert recorder.replayed > 0
    assert read_speed(tmp_path, "cpu", "vgg19-lite").graphs is not None


def test_graphs_that_cannot_be_recorded_are_not_remembered_as_slow(tmp_path: Path) -> None:
    painter = Painter("cpu", {"vgg19-lite": LITE}, tmp_path)
    write_speed(tmp_path, "cpu", "vgg19-lite", Speed("fp32", 9.0, 0.01, measured=True))
    painter.graphs.recorder = StandInRecorder(broken="the driver is too old")
    assert painter.load("vgg19-lite").graphs is False
    assert read_speed(tmp_path, "cpu", "vgg19-lite").graphs is None


# -- on a fake GPU


class OneLaunch(StandInRecorder):
    """On a fake device: counts what a recording would read from the device or send to it, and replays nothing."""

    def __init__(self, fake: FakeDevice) -> None:
        super().__init__()
        self.fake, self.traffic, self.kernels = fake, 0, 0

    def record(self, work):
        before = self.fake.reads.total() + self.fake.uploads.total(), self.fake.launches.total()
        work()
        self.traffic += self.fake.reads.total() + self.fake.uploads.total() - before[0]
        self.kernels = self.fake.launches.total() - before[1]
        return lambda: None


@pytest.mark.parametrize("optimizer", ["lbfgs", "adam"])
def test_on_a_gpu_a_recording_reads_and_sends_nothing_and_a_replayed_step_launches_no_kernel(optimizer: str) -> None:
    models = Models(torch.device("cuda:0"), {"vgg19-lite": LITE})
    models.weights("vgg19-lite")
    fake = FakeDevice("cuda:0")
    launched = []
    with fake.running():
        network = models.network("vgg19-lite", "bf16")
        image = torch.rand(1, 3, 64, 64).to("cuda:0")
        canvas = Canvas(network, image, Weighting(100.0, tap_weights(None)))
        loss = TextureObjective(canvas, [Region(style_statistics(network, image, None))])
        pyramid = Pyramid.of(64, 64)
        optimiser = (
            Adam(pyramid.variables, image.device)
            if optimizer == "adam"
            else Lbfgs(pyramid.variables, 10, image.device, first=0.01, longest=0.05)
        )
        recorder = OneLaunch(fake)
        step = Graphs(recorder).steps_of(loss, pyramid, optimiser, image, 20)
        for _ in range(20):
            _, image = step(image)
            launched.append(fake.launches.total())
    assert recorder.traffic == 0
    assert recorder.kernels > 100
    assert launched[WARM_UP - 1] < launched[WARM_UP] == launched[-1], "all steps after the recording launch nothing"

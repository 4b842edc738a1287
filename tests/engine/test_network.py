"""The taps: torchvision's own activations, whatever file the weights come from."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import nn
from torchvision.models import VGG19_Weights, vgg19

from support.networks import picture, random_weights, tiny
from vaporbrush_daemon import packaged
from vaporbrush_daemon.engine.calibration import calibrated
from vaporbrush_daemon.engine.models import load_weights
from vaporbrush_daemon.engine.network import Network, Weights
from vaporbrush_daemon.engine.vgg19 import TAPS
from vaporbrush_daemon.weights import VGG19
from vaporbrush_protocol.errors import VaporbrushError
from vaporbrush_protocol.recipe import Pool

TORCHVISION_RELUS = {"relu1_1": 1, "relu2_1": 6, "relu3_1": 11, "relu4_1": 20, "relu4_2": 22, "relu5_1": 29}
TORCHVISION_HELD_OUT = {"relu1_2": 3, "relu2_2": 8, "relu3_3": 15, "relu4_4": 26}


def torchvision_taps(file: Path, image: torch.Tensor, wanted: dict[str, int]) -> dict[str, torch.Tensor]:
    """What torchvision's module gives with these weights."""
    layers = vgg19(weights=None).features[:30].eval()
    stored = torch.load(file, weights_only=True)
    layers.load_state_dict({key: stored[f"features.{key}"].float() for key in layers.state_dict()})
    x = (image - torch.tensor([0.485, 0.456, 0.406]).view(1, 3, 1, 1)) / torch.tensor([0.229, 0.224, 0.225]).view(
        1, 3, 1, 1
    )
    found = {}
    with torch.no_grad():
        for index, module in enumerate(layers):
            x = nn.functional.relu(x) if isinstance(module, nn.ReLU) else module(x)
            found |= {name: x for name, at in wanted.items() if at == index}
    return found


def test_the_pinned_download_is_torchvisions() -> None:
    """The front must not import torchvision, so it keeps what it needs to know of the file as data."""
    theirs = VGG19_Weights.IMAGENET1K_V1
    assert VGG19.url == theirs.url
    assert VGG19.sha256.startswith(theirs.url.rpartition("-")[2].removesuffix(".pth"))
    assert VGG19.size / 2**20 == pytest.approx(theirs.meta["_file_size"], abs=0.001)


def test_every_tap_equals_torchvisions(vgg19_file: Path) -> None:
    image = picture(67, 50).float()
    network = Network(load_weights("vgg19", vgg19_file), torch.device("cpu"), torch.float32)
    ours = network(image) | network(image, taps=list(TORCHVISION_HELD_OUT))
    theirs = torchvision_taps(vgg19_file, image, TORCHVISION_RELUS | TORCHVISION_HELD_OUT)
    assert set(ours) == set(theirs)
    for name, expected in theirs.items():
        torch.testing.assert_close(ours[name], expected, rtol=1e-4, atol=1e-4 * float(expected.max()))


def test_bf16_taps_are_those_of_fp32_within_its_precision(vgg19_file: Path) -> None:
    weights, image = load_weights("vgg19", vgg19_file), picture(64, 64).float()
    exact = Network(weights, torch.device("cpu"), torch.float32)(image)
    rounded = Network(weights, torch.device("cpu"), torch.bfloat16)(image)
    for name, expected in exact.items():
        error = (rounded[name].float() - expected).square().mean().sqrt() / expected.square().mean().sqrt()
        assert error < 0.02, f"{name} is {error:.3f} off"


@pytest.mark.parametrize("wrap", [False, True])
@pytest.mark.parametrize("pool", ["max", "avg"])
def test_fused_convolutions_give_the_activations_and_gradients_of_plain_ones(pool: Pool, *, wrap: bool) -> None:
    weights, image = random_weights(), picture(48, 64)

    def activations_and_gradient(dtype: torch.dtype) -> list[torch.Tensor]:
        network = Network(weights, torch.device("cpu"), dtype)
        tape = network.record(image.to(dtype), TAPS, pool=pool, wrap=wrap)
        taps = [tape.taps[tap].clone() for tap in TAPS]
        return [*taps, network.backward(tape, lambda tap, value: value * (1 + len(tap)), (48, 64))]

    # in double precision nothing is fused
    for ours, plain in zip(
        activations_and_gradient(torch.float32), activations_and_gradient(torch.float64), strict=True
    ):
        torch.testing.assert_close(ours.double(), plain, rtol=1e-4, atol=1e-5 * float(plain.abs().max()))


def test_full_files_of_either_format_and_any_ending_layers_load_alike(tmp_path: Path) -> None:
    weights = random_weights(metric=True)
    tensors = {f"features.{i}.weight": w for i, (w, _) in weights.convs.items()}
    tensors |= {f"features.{i}.bias": b for i, (_, b) in weights.convs.items()}
    tensors |= {f"taps.{tap}.metric": r.contiguous() for tap, r in weights.metrics.items()}
    tensors |= {"classifier.0.weight": torch.zeros(2, 2), "features.30.weight": torch.zeros(1)}
    save_file(tensors, tmp_path / "a.safetensors")
    torch.save(tensors, tmp_path / "a.pth")
    for name in ("a.safetensors", "a.pth"):
        loaded = load_weights("vgg19-lite", tmp_path / name)
        assert loaded.widths == weights.widths
        assert all(torch.equal(loaded.convs[i][0], w) for i, (w, _) in weights.convs.items())
        assert set(loaded.metrics) == set(TAPS)


def test_missing_and_damaged_weights_are_reported_in_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(VaporbrushError, match=r"The weights of vgg19 are not at .*none\.pth") as missing:
        load_weights("vgg19", tmp_path / "none.pth")
    assert missing.value.code == "weights_missing"
    (tmp_path / "cut.pth").write_bytes(b"PK\x03\x04 not a zip")
    (tmp_path / "cut.safetensors").write_bytes(b"\x10\0\0\0\0\0\0\0{}")
    save_file({"features.0.weight": torch.zeros(64, 3, 3, 3)}, tmp_path / "few.safetensors")
    for name in ("cut.pth", "cut.safetensors", "few.safetensors"):
        with pytest.raises(VaporbrushError, match="fetch or import them again") as damaged:
            load_weights("vgg19", tmp_path / name)
        assert damaged.value.code == "weights_corrupt"


def test_the_bundled_model_is_loaded_only_as_it_was_released(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    released = packaged.models() / "vgg19-lite.safetensors"
    load_weights("vgg19-lite", released)
    changed = bytearray(released.read_bytes())
    changed[-1] ^= 1  # still a model, and finite
    (tmp_path / released.name).write_bytes(changed)
    load_weights("vgg19-lite", tmp_path / released.name)  # as somebody's own file
    monkeypatch.setattr(packaged, "models", lambda: tmp_path)
    with pytest.raises(VaporbrushError, match="is not the model that was released") as refused:
        load_weights("vgg19-lite", tmp_path / released.name)
    assert refused.value.code == "weights_corrupt"


def test_a_pickle_with_code_is_refused_and_not_run(tmp_path: Path) -> None:
    class Trap:
        def __reduce__(self) -> tuple[object, tuple[object, ...]]:
            return (Path.touch, (tmp_path / "it ran",))

    torch.save({"features.0.weight": Trap()}, tmp_path / "trap.pth")
    with pytest.raises(VaporbrushError) as refused:
        load_weights("vgg19", tmp_path / "trap.pth")
    assert refused.value.code == "weights_corrupt"
    assert not (tmp_path / "it ran").exists()


def test_weights_of_not_a_number_are_refused(tmp_path: Path) -> None:
    weights = random_weights()
    tensors = {f"features.{i}.weight": w for i, (w, _) in weights.convs.items()}
    tensors |= {f"features.{i}.bias": b for i, (_, b) in weights.convs.items()}
    tensors["features.14.bias"][0] = float("nan")
    torch.save(tensors, tmp_path / "nan.pth")
    with pytest.raises(VaporbrushError, match="not finite"):
        load_weights("vgg19", tmp_path / "nan.pth")


def test_one_strength_means_the_same_with_another_trainings_weights(vgg19_file: Path) -> None:
    """A training whose activations are smaller by any factor in every layer gives the very same taps."""
    oxford = load_weights("vgg19", vgg19_file)
    generator = torch.Generator().manual_seed(1)
    smaller, arriving = {}, 1.0
    for index, (weight, bias) in oxford.convs.items():
        leaving = float(torch.rand((), generator=generator)) * 0.01
        smaller[index] = (weight * (leaving / arriving), bias * leaving)
        arriving = leaving
    image = picture(48, 48).float()
    same = Network(calibrated(Weights("vgg19", smaller, {})), torch.device("cpu"), torch.float32)(image)
    for tap, expected in Network(oxford, torch.device("cpu"), torch.float32)(image).items():
        torch.testing.assert_close(same[tap], expected, rtol=2e-3, atol=2e-3 * float(expected.max()))


def test_wrapped_padding_makes_opposite_edges_neighbours() -> None:
    network, image = tiny(), picture(48, 64)
    straight, rolled = network(image, wrap=True), network(image.roll((16, 32), (2, 3)), wrap=True)
    for tap, stride in (("relu1_1", 1), ("relu3_1", 4), ("relu5_1", 16)):
        torch.testing.assert_close(rolled[tap], straight[tap].roll((16 // stride, 32 // stride), (2, 3)))


def test_average_pooling_is_another_network_than_maximum_pooling() -> None:
    network, image = tiny(), picture(32, 32)
    assert torch.equal(network(image)["relu1_1"], network(image, pool="avg")["relu1_1"])
    assert not torch.allclose(network(image)["relu2_1"], network(image, pool="avg")["relu2_1"])

"""How devices are called in the editors, from the daemon's own `status`."""

from __future__ import annotations

from vaporbrush_host import devices
from vaporbrush_host.daemon_monitor import condition_of_status

GB = 10**9


def told(device: str, title: str = "", memory: int = 0, free: int = 0, **more: str) -> dict[str, object]:
    return {"device": device, "title": title, "memory_bytes": memory, "free_bytes": free, **more}


def test_a_gpu_is_called_by_its_makers_name_with_its_free_memory() -> None:
    status = {"devices": [told("cuda:0", "NVIDIA RTX 4090", 24 * GB, 21_500_000_000), told("cpu")]}
    (option,) = devices.offered(status)
    assert (option.value, option.label) == ("cuda:0", "NVIDIA RTX 4090, 22 GB free")


def test_what_nobody_has_looked_at_is_shown_without_what_is_free() -> None:
    status = {"devices": [told("xpu:0", "Intel Arc B580", 12 * GB), told("mps", "Apple GPU")]}
    assert [one.label for one in devices.offered(status)] == ["Intel Arc B580, 12 GB", "Apple GPU"]


def test_a_workstation_that_is_away_can_be_told_from_one_that_paints() -> None:
    why = "box does not answer: it is off, asleep or in another network."
    box = told("box", "box (RTX 4090)", 24 * GB, away=why)
    assert [one.label for one in devices.offered({"devices": [box]})] == ["box (RTX 4090), not reachable"]
    assert [one.label for one in devices.offered({"devices": [{**box, "away": ""}]})] == ["box (RTX 4090), 24 GB"]
    workers = [{"device": "cpu", "state": "idle"}, {"device": "box", "state": "stopped"}]
    status = {"workers": workers, "model": {"auto": "vgg19", "message": ""}, "devices": [told("cpu"), box]}
    assert condition_of_status(status).short == "Ready · cpu"


def test_two_gpus_of_one_name_are_told_apart() -> None:
    status = {"devices": [told(f"cuda:{i}", "NVIDIA H200", 141 * GB) for i in range(2)]}
    assert devices.titles(status) == {"cuda:0": "NVIDIA H200 (cuda:0)", "cuda:1": "NVIDIA H200 (cuda:1)"}


def test_the_status_line_names_the_gpu_and_an_older_daemon_is_understood() -> None:
    worker = {"device": "cuda:0", "state": "idle"}
    status = {"workers": [worker], "model": {"auto": "vgg19", "message": ""}}
    assert condition_of_status(status).short == "Ready · cuda:0"
    assert condition_of_status(status).devices == ()
    known = condition_of_status({**status, "devices": [told("cuda:0", "NVIDIA H200", 141 * GB)]})
    assert known.short == "Ready · NVIDIA H200"
    assert [one.value for one in known.devices] == ["cuda:0"]

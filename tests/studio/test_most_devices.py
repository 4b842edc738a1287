"""How large a studio may become: more than one machine's devices, and at most as many as `status` can tell of."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from studio.conftest import paint
from support import nodes as machines
from support.daemon import ended, until
from vaporbrush_daemon.studio.desk import NodeFacts
from vaporbrush_daemon.studio.nodes import Node, known_as, unfit
from vaporbrush_daemon.workers import bridge, pipe
from vaporbrush_daemon.workers.messages import MAX_DEVICES, STUDIO_DEVICES, DeviceFacts
from vaporbrush_protocol.errors import RequestError
from vaporbrush_protocol.version import __version__


def box(number: int, gpus: int = 1) -> NodeFacts:
    return NodeFacts(f"box{number}", __version__, tuple(DeviceFacts(f"cuda:{gpu}") for gpu in range(gpus)))


def heard(count: int) -> tuple[DeviceFacts, ...]:
    """What a daemon hears of so many nodes."""
    told = bridge.told_devices(tuple(known_as(f"box{number}", DeviceFacts("cuda:0")) for number in range(count)))
    _, kind, body = bridge.parse_told(told[pipe.LENGTH.size :])
    assert kind == bridge.DEVICES
    return bridge.unpack_devices(body)


@pytest.mark.parametrize("count", [0, 1, MAX_DEVICES + 1, STUDIO_DEVICES])
def test_a_studio_may_have_more_devices_than_a_machine(count: int) -> None:
    assert len(heard(count)) == count


def test_a_bridge_that_tells_of_more_talks_nonsense() -> None:
    with pytest.raises(RequestError, match=f"1 to {STUDIO_DEVICES} items"):
        heard(STUDIO_DEVICES + 1)


def test_a_node_too_many_is_refused_in_a_sentence_and_the_others_stay() -> None:
    nodes = {one.name: Node("tls://", None, one) for one in map(box, range(STUDIO_DEVICES - 1))}
    assert unfit(box(500), nodes) == ""
    told = unfit(box(500, gpus=2), nodes)
    assert told.startswith(f"The studio has {STUDIO_DEVICES - 1} devices, and with the 2 of box500 it would have more")
    nodes.popitem()
    assert unfit(box(500, gpus=2), nodes) == ""


def test_two_real_nodes_with_80_gpus_paint_and_a_third_with_40_is_told_why_it_may_not(
    home: Path, tmp_path: Path
) -> None:
    gpus = ("--gpus", ",".join(["24"] * 40))
    with machines.studio(tmp_path, home, {"box1": gpus, "box2": gpus}) as boxes, boxes.head.client() as client:
        until(lambda: len(boxes.devices()) == 80, f"all are there: {boxes.told()}", 60.0)
        assert ended(client, paint(client, device="box2/cuda:39")).state == "done"
        third = machines.Node("box3", tmp_path / "box3", *gpus).let_in(boxes.head, tmp_path).start()
        try:
            assert third.process is not None
            assert third.process.wait(60.0) != 0
        finally:
            third.stop()
        told = "The studio has 80 devices, and with the 40 of box3 it would have more than 96"
        assert told in " ".join(third.said.split())
        assert told in str(client.status()["studio"]["failures"])
        assert len(boxes.devices()) == 80


def test_two_of_a_name_and_another_version_are_refused() -> None:
    nodes = {"box1": Node("tls://", None, box(1))}
    assert "as box1 already" in unfit(box(1), nodes)
    assert "install the same" in unfit(replace(box(2), version="0.0.1"), nodes)


def test_a_devices_title_fits_however_long_the_nodes_name_is() -> None:
    one = known_as("n" * 64, DeviceFacts("cuda:0", "ü" * 100))
    assert bridge.unpack_devices(bridge.told_devices((one,))[pipe.LENGTH.size :]) == (one,)

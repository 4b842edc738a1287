"""The scheduler's rules for a studio's nodes: as good as this machine's own devices, but they come and go."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from support.studio import Studio, asked, codes
from vaporbrush_daemon.scheduling import events as ev
from vaporbrush_daemon.scheduling.effects import StartWorker
from vaporbrush_daemon.scheduling.job import GUEST, Job
from vaporbrush_daemon.scheduling.policy import LOST_GRACE_S, MAX_FAILED_STARTS
from vaporbrush_daemon.scheduling.scheduler import MAX_LOSSES
from vaporbrush_daemon.workers.messages import Alive, DeviceFacts
from vaporbrush_protocol.errors import RequestError

GB = 10**9
LOST = "The node box1 is gone from the studio."
BOX1, BOX2, SMALL, SLOW = (
    DeviceFacts("box1/cuda:0", "box1 (RTX)", 24 * GB, 24 * GB),
    DeviceFacts("box2/cuda:0", "box2 (RTX)", 24 * GB, 24 * GB),
    DeviceFacts("box3/cuda:0", "box3 (GTX)", 4 * GB, 4 * GB),
    DeviceFacts("box4/cpu", "box4"),
)


def with_nodes(*nodes: DeviceFacts, devices: tuple[str, ...] = ("cpu",)) -> Studio:
    studio = Studio(*devices)
    studio.bring(ev.StudioKnown(nodes))
    return studio


def lose(studio: Studio, gone: DeviceFacts, *left: DeviceFacts) -> None:
    """As the bridge tells it: first what there is now, then the ends."""
    slot = studio.slot(gone.name)
    studio.bring(ev.StudioKnown(left))
    if slot.key in studio.scheduler.slots:
        studio.bring(ev.WorkerExited(slot.key, LOST, away=True))


def test_jobs_spread_over_this_machines_gpu_and_all_nodes() -> None:
    studio = with_nodes(BOX1, BOX2, devices=("cuda:0", "cpu"))
    jobs = [studio.submit() for _ in range(3)]
    assert StartWorker(studio.slot("box1/cuda:0").key, "box1/cuda:0", place="studio") in studio.said
    for device in ("cuda:0", "box1/cuda:0", "box2/cuda:0"):
        studio.ready(device)
    assert {slot.job for slot in studio.scheduler.slots.values() if slot.job} == {job.job for job in jobs}
    assert studio.slot("cpu").state == "stopped"


def test_no_processor_paints_what_does_not_ask_for_it_while_a_gpu_is_anywhere() -> None:
    studio = with_nodes(BOX1, SLOW)
    studio.submit()
    studio.submit()
    assert studio.slot("cpu").state == studio.slot("box4/cpu").state == "stopped"
    on_slow = studio.submit(device="box4/cpu")
    studio.ready("box4/cpu")
    assert studio.slot("box4/cpu").job == on_slow.job


def test_without_any_gpu_all_processors_paint() -> None:
    studio = with_nodes(SLOW)
    jobs = [studio.submit(), studio.submit()]
    studio.ready("cpu")
    studio.ready("box4/cpu")
    assert [job.state for job in jobs] == ["running", "running"]


def test_a_lost_node_has_its_job_painted_elsewhere_by_no_fault_of_the_job() -> None:
    studio = with_nodes(BOX1, BOX2)
    job = studio.submit(device="auto")
    studio.ready("box1/cuda:0")
    assert studio.slot("box1/cuda:0").job == job.job
    lose(studio, BOX1, BOX2)
    studio.ready("box2/cuda:0")
    assert (job.state, job.attempts, job.deaths, job.notes) == ("running", 2, 0, [LOST])
    assert "box1/cuda:0" not in {slot.device for slot in studio.scheduler.slots.values()}
    studio.done(job, "box2/cuda:0")
    assert job.state == "done"


def test_a_job_that_loses_node_after_node_ends_some_time() -> None:
    studio = with_nodes(BOX1)
    job = studio.submit()
    for _ in range(MAX_LOSSES):
        studio.ready("box1/cuda:0")
        lose(studio, BOX1)
        studio.bring(ev.StudioKnown((BOX1,)))
    assert (job.state, job.error and job.error.code) == ("failed", "unreachable")


def test_what_asks_for_a_node_that_is_not_there_is_told_so() -> None:
    studio = with_nodes(BOX1)
    with pytest.raises(RequestError, match=r"`box2/cuda:0` does not exist here; there is cpu, box1/cuda:0"):
        studio.submit(device="box2/cuda:0")


def test_a_job_waits_a_minute_for_the_node_that_it_asks_for() -> None:
    studio = with_nodes(BOX1)
    running, waiting = (studio.submit(device="box1/cuda:0") for _ in range(2))
    studio.ready("box1/cuda:0")
    lose(studio, BOX1)
    later = studio.submit(device="box1/cuda:0")
    told = "`box1/cuda:0` was lost; this job waits for up to 60 s for it to come back."
    assert [job.notes for job in (running, waiting, later)] == [[LOST, told], [told], [told]]
    studio.tick(LOST_GRACE_S - 1)
    assert {job.state for job in (running, waiting, later)} == {"queued"}
    assert studio.scheduler.next_deadline(studio.clock()) == studio.clock() + 1, "nothing else has to happen"
    studio.tick(1)
    for job in (running, waiting, later):
        assert codes(job) == ("failed", "unreachable")
        assert job.error is not None
        assert job.error.message == ("The device `box1/cuda:0` was lost 60 s ago and has not come back; there is cpu.")
    with pytest.raises(RequestError, match="does not exist here"):
        studio.submit(device="box1/cuda:0")


def test_a_node_that_comes_back_in_time_paints_what_waited_for_it() -> None:
    studio = with_nodes(BOX1)
    job = studio.submit(device="box1/cuda:0")
    studio.ready("box1/cuda:0")
    lose(studio, BOX1)
    studio.tick(30)
    studio.bring(ev.StudioKnown((BOX1,)))
    studio.ready("box1/cuda:0")
    assert (job.state, job.attempts, job.deaths) == ("running", 2, 0)
    studio.tick(LOST_GRACE_S)
    assert job.state == "running"


def test_each_loss_of_a_node_has_its_own_minute() -> None:
    studio = with_nodes(BOX1)
    job = studio.submit(device="box1/cuda:0")
    lose(studio, BOX1)
    studio.tick(40)
    studio.bring(ev.StudioKnown((BOX1,)))
    lose(studio, BOX1)
    studio.tick(40)
    assert job.state == "queued"
    studio.tick(20)
    assert codes(job) == ("failed", "unreachable")


def test_a_node_that_comes_back_too_late_paints_the_same_job_when_it_is_sent_again() -> None:
    studio = with_nodes(BOX1)
    job = studio.submit(device="box1/cuda:0")
    lose(studio, BOX1)
    studio.tick(LOST_GRACE_S)
    assert codes(job) == ("failed", "unreachable")
    assert job.error is not None
    assert job.error.retryable
    studio.bring(ev.StudioKnown((BOX1,)))
    studio.submit(name=job.job, device="box1/cuda:0")
    studio.ready("box1/cuda:0")
    assert job.state == "running"


def test_a_device_that_does_not_start_is_not_blamed_on_who_waits_for_a_node() -> None:
    studio = with_nodes(BOX1)
    waiting = studio.submit(device="box1/cuda:0")
    lose(studio, BOX1)
    studio.submit(device="cpu")
    for _ in range(MAX_FAILED_STARTS):
        studio.exited("cpu")
        studio.tick(10)
    assert waiting.state == "queued"


def model(name: str, **fields: Any) -> Any:
    """A recipe that names a model."""
    return {"recipe": replace(asked("one").recipe, model=name, **fields)}


FULL, LITE = replace(BOX1, models=("vgg19", "vgg19-lite")), replace(BOX2, models=("vgg19-lite",))


def test_a_job_goes_only_where_its_model_is() -> None:
    studio = with_nodes(LITE, FULL)
    jobs = [studio.submit(**model("vgg19")) for _ in range(2)]
    small = studio.submit(**model("vgg19-lite"))
    for node in (LITE, FULL):
        studio.ready(node.name)
    assert (jobs[0].state, jobs[1].state, small.state) == ("running", "queued", "running")
    assert (painted_on(studio, jobs[0]), painted_on(studio, small)) == ("box1/cuda:0", "box2/cuda:0")


def test_where_no_accelerator_has_the_model_this_machine_paints_and_says_why() -> None:
    studio = with_nodes(LITE)
    job = studio.submit(**model("vgg19"))
    studio.ready()
    assert (job.state, painted_on(studio, job)) == ("running", "cpu")
    assert job.notes == ["box2/cuda:0 would be faster, but without the weights of vgg19. It is painted here."]


def test_a_slow_node_paints_what_no_faster_one_has_the_model_for() -> None:
    studio = with_nodes(LITE, replace(SLOW, models=("vgg19",)))
    job = studio.submit(model_away=True, **model("vgg19"))
    studio.ready("box4/cpu")
    assert painted_on(studio, job) == "box4/cpu"


def test_a_node_without_the_model_says_what_it_has() -> None:
    studio = with_nodes(LITE)
    sentence = "`box2/cuda:0` does not have the weights of vgg19, only vgg19-lite; bring them to that node"
    with pytest.raises(RequestError, match=sentence) as refused:
        studio.submit(**model("vgg19", device="box2/cuda:0"))
    assert refused.value.code == "weights_missing"


@pytest.mark.parametrize("knows", [True, False], ids=["known", "before the first worker"])
def test_a_device_of_this_machine_without_the_model_says_how_to_get_it_here(knows: bool) -> None:
    studio = Studio("cuda:0", probing=not knows)
    if knows:
        studio.submit()
        studio.ready("cuda:0", devices=("cuda:0",))
    studio.bring(ev.StudioKnown((FULL,)))
    sentence = "vgg19 are not on this machine, where `cuda:0` is: `vaporbrush weights list` tells how to get them"
    with pytest.raises(RequestError, match=sentence) as refused:
        studio.submit(model_away=True, **model("vgg19", device="cuda:0"))
    assert refused.value.code == "weights_missing"


def test_a_model_that_only_a_node_has_is_waited_for_with_that_node() -> None:
    studio = with_nodes(LITE, FULL)
    job = studio.submit(model_away=True, **model("vgg19"))
    studio.ready("box1/cuda:0")
    assert painted_on(studio, job) == "box1/cuda:0"
    lose(studio, FULL, LITE)
    assert job.notes[-1] == "Every node with vgg19 was lost; this job waits for up to 60 s for it to come back."
    studio.tick(59)
    assert job.state == "queued"
    other = replace(FULL, name="box9/cuda:0")
    studio.bring(ev.StudioKnown((LITE, other)))
    studio.ready("box9/cuda:0")
    assert painted_on(studio, job) == "box9/cuda:0", "another one that fits will do"
    lose(studio, other, LITE)
    studio.tick(LOST_GRACE_S)
    assert codes(job) == ("failed", "weights_missing")
    assert job.error is not None
    assert job.error.message == "The weights of vgg19 are on none of the devices here."


def test_of_free_devices_the_fastest_paints_and_of_equally_fast_ones_the_one_with_the_pictures() -> None:
    slow, fast, as_fast = (replace(one, speed=speed) for one, speed in ((SMALL, 0.1), (BOX1, 0.010), (BOX2, 0.011)))
    studio = idle(slow, fast, as_fast)
    first = studio.submit(device="box2/cuda:0", content="sky")
    studio.done(first, "box2/cuda:0")
    assert [painted_on(studio, studio.submit(content="sky")) for _ in range(3)] == [
        "box2/cuda:0", "box1/cuda:0", "box3/cuda:0"
    ]  # fmt: skip


def test_the_fastest_device_is_started_first_and_what_its_worker_measures_counts() -> None:
    fast, slow = replace(BOX2, speed=0.01), replace(BOX1, speed=0.1)
    studio = with_nodes(slow, fast)
    first = studio.submit()
    assert (studio.slot(fast.name).state, studio.slot(slow.name).state) == ("starting", "stopped")
    studio.ready(fast.name)
    second = studio.submit()
    studio.ready(slow.name)
    studio.done(second, slow.name)
    studio.say(Alive(speed=0.001), slow.name)
    studio.done(first, fast.name)
    assert painted_on(studio, studio.submit()) == slow.name


def test_a_large_painting_goes_to_a_node_with_the_memory_for_it() -> None:
    studio = with_nodes(SMALL, BOX1)
    large = studio.submit(memory=10 * GB)
    assert studio.slot("box3/cuda:0").state == "stopped"
    studio.ready("box1/cuda:0")
    assert studio.slot("box1/cuda:0").job == large.job


def test_guests_paint_on_nodes_too() -> None:
    studio = with_nodes(BOX1)
    job = studio.submit(client=f"{GUEST}anna")
    studio.ready("box1/cuda:0")
    assert studio.slot("box1/cuda:0").job == job.job


def test_what_a_node_says_of_its_device_is_no_device_of_this_machine() -> None:
    studio = with_nodes(BOX1)
    studio.submit()
    studio.ready("box1/cuda:0")
    assert studio.scheduler.worker_slots.devices == ("cpu",)
    assert studio.scheduler.worker_slots.usual_node == "box1/cuda:0"


def idle(*nodes: DeviceFacts) -> Studio:
    """All nodes have painted once, and rest."""
    studio = with_nodes(*nodes)
    jobs = [studio.submit() for _ in nodes]
    for node in nodes:
        studio.ready(node.name)
    for job in jobs:
        studio.done(job, next(slot.device for slot in studio.scheduler.slots.values() if slot.job == job.job))
    return studio


def painted_on(studio: Studio, job: Job) -> str:
    return next(slot.device for slot in studio.scheduler.slots.values() if slot.job == job.job)


def test_a_job_goes_where_its_pictures_are() -> None:
    studio = idle(BOX1, BOX2)
    first = studio.submit(device="box2/cuda:0", content="sky")
    studio.done(first, "box2/cuda:0")
    assert painted_on(studio, studio.submit(content="sky")) == "box2/cuda:0"
    assert painted_on(studio, studio.submit(content="sky")) == "box1/cuda:0", "but it does not wait for that"


def test_of_a_node_that_was_away_nothing_is_presumed() -> None:
    studio = idle(BOX1, BOX2)
    first = studio.submit(device="box2/cuda:0", content="sky")
    studio.done(first, "box2/cuda:0")
    lose(studio, BOX2, BOX1)
    studio.bring(ev.StudioKnown((BOX1, BOX2)))
    assert painted_on(studio, studio.submit(content="sky")) == "box1/cuda:0"

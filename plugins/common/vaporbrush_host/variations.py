"""Variations: the same picture painted small with other values, so that one is chosen by looking."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from vaporbrush_protocol.client import Client
from vaporbrush_protocol.codec import Buffer
from vaporbrush_protocol.controls import MAX_SEED
from vaporbrush_protocol.errors import VaporbrushError
from vaporbrush_protocol.job import Job
from vaporbrush_protocol.recipe import Channels, Image

from .controls import BY_NAME, Value
from .history import four_channels
from .job_threads import LOOK_S, Connect, StoppedError
from .request import PaintRequest
from .ui_text import _

SIDE = 192  # px of the longest side: a style is known by it, and nine of them take as long as one of 576
STYLE_SIDE = 1536  # px: eight times as much, the largest style scale
STEPS = 40  # a draft has 60, and what differs between strengths and scales shows in the first ones
LEASE_S = 60.0  # as of a painting: a host may stall its plug-ins so long
FACTORS = {"strength": (0.2, 1.0, 5.0), "style_scale": (0.5, 1.0, 2.0)}  # below that nobody sees a difference
SEEDS = 9
# The words of the window, the same in both editors.
TITLE, ENTRY = _("Variations"), _("Variations…")
ENTRY_TIP = _("Paints the layer small in several ways. Press one, and it is painted in full.")
BY_LOOK, BY_SEED = _("By strength and scale"), _("By chance")
BY_SEED_TIP = _("Each begins from other noise.")
HINT = _("Press one to paint it in full.")
NO_REGIONS = _("Regions and the selection count only then.")
WAITING = _("Painting {number} of {count}…")


@dataclass(frozen=True)
class Variation:
    """What differs from the present values, and what is written below the picture."""

    changes: Mapping[str, Value]
    caption: str


@dataclass(frozen=True)
class Varied:
    """Variation `number` of the asking `ticket` is painted: four channels, 8 bits."""

    ticket: int
    number: int
    image: Image
    pixels: Buffer


@dataclass(frozen=True)
class VariationsEnded:
    """No more will come; the sentence says why, where that is no good end."""

    ticket: int
    sentence: str = ""


def by_look(values: Mapping[str, Value]) -> tuple[Variation, ...]:
    """A grid: a row for each strength, a column for each scale; fewer at the ends of their ranges."""
    strengths, scales = (_around(name, values[name]) for name in FACTORS)
    caption = _("Strength {strength:.4g}\nScale {scale:.3g}")
    return tuple(
        Variation({"strength": strength, "style_scale": scale}, caption.format(strength=strength, scale=scale))
        for strength in strengths
        for scale in scales
    )


def _around(name: str, value: float) -> list[float]:
    control = BY_NAME[name]
    found = (min(max(value * factor, control.low), control.high) for factor in FACTORS[name])
    return list(dict.fromkeys(round(one, control.decimals) for one in found))


def by_seed(values: Mapping[str, Value]) -> tuple[Variation, ...]:
    """The same from noise of other seeds, the present one first."""
    seeds = [(int(values["seed"]) + step) % (MAX_SEED + 1) for step in range(SEEDS)]
    return tuple(Variation({"start": "noise", "seed": seed}, _("Seed {seed}").format(seed=seed)) for seed in seeds)


def line(done: int, count: int, *, partly: bool) -> str:
    """What the window says when so many are painted. `partly`: regions or a selection say where the full one goes."""
    hint = f"{HINT} {NO_REGIONS}" if partly else HINT
    waiting = WAITING.format(number=done + 1, count=count) if done < count else ""
    return f"{waiting} {hint}".strip()


def small(values: Mapping[str, Value], one: Variation) -> dict[str, Value]:
    """The values with which a variation is painted small."""
    return {**values, **one.changes, "size": SIDE, "quality": "draft", "steps": STEPS}


class VariationsThread(threading.Thread):
    """Paints one after the other. Each is a job of its own, so that real paintings take turns with them, and none of
    them goes into the history. `order` has the small picture; `channels` is how the editor wants to see them.
    """

    def __init__(
        self,
        ticket: int,
        order: PaintRequest,
        variations: Sequence[Variation],
        post: Callable[[Any], None],
        connect: Connect,
        channels: Channels = "RGBA",
    ) -> None:
        super().__init__(name="vaporbrush-variations", daemon=True)
        self._ticket, self._order, self._variations = ticket, order, variations
        self._post, self._connect, self._channels = post, connect, channels
        self._stopped = threading.Event()

    def stop(self) -> None:
        """Paint no more; from any thread."""
        self._stopped.set()

    def run(self) -> None:
        """The thread. Whatever happens is posted."""
        sentence = ""
        try:
            with self._connect() as client:
                for number, one in enumerate(self._variations):
                    self._paint(client, number, one)
        except StoppedError:
            pass  # nobody waits for more
        except VaporbrushError as error:
            sentence = error.message
        except Exception as error:  # noqa: BLE001 (a defect here must show in the window, not end a thread in silence)
            sentence = _("The plug-in met a defect: {what}").format(what=error)
        self._post(VariationsEnded(self._ticket, sentence))

    def _paint(self, client: Client, number: int, one: Variation) -> None:
        recipe, pictures = replace(self._order, values=small(self._order.values, one)).prepared()
        self._check()
        job, pixels = client.stylize(
            recipe,
            pictures,
            on_progress=self._check,
            wait_s=LOOK_S,
            lease_s=LEASE_S,
            on_lease_end="cancel",
            label=TITLE,
            history=False,
        )
        assert job.image is not None  # `stylize` has brought it
        self._post(Varied(self._ticket, number, *four_channels(job.image, pixels, self._channels)))

    def _check(self, _job: Job | None = None) -> None:
        if self._stopped.is_set():
            raise StoppedError

"""Neural style transfer (Gatys, Ecker & Bethge 2016), coarse to fine. This is the whole method; read it first.

The painting is the image x, started from the content, that minimises

    L(x) = ContentLoss + strength · (StyleLoss + GamutLoss) + tv · total variation + penalty on values outside of [0, 1]

where ContentLoss compares VGG19's activations at relu4_2 with the content's, and StyleLoss the Gram matrices of its
activations at relu1_1 … relu5_1 with the style's; `losses` has the formulas. GamutLoss, ours, leaves no colours that
the style does not have (`gamut`). That is the look `texture`. The look `brushwork` has another loss in the place of
both, see `brushwork`; all else is the same. Where we go beyond the paper:

- scales: a small painting is finished first, and each larger one starts from it (Gatys et al. 2017, section 6);
- phases: a scale approaches the minimum by gradients that lead there faster, and settles in the published loss;
- steps: L-BFGS over a pyramid of residuals instead of pixels, without line search;
- films: a frame keeps of the paintings before it what its content keeps of theirs, see `hold`.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from vaporbrush_daemon.plan import Plan, Scale
from vaporbrush_protocol.recipe import Recipe

from .brushwork import BrushworkLoss
from .convergence import LossCurve
from .gamut import Gamut, GamutLoss
from .graphs import Graphs
from .inputs import Area, Inputs, areas, regions
from .losses import Losses, Weighting, tap_weights
from .monitor import Monitor
from .network import Network
from .objective import BrushworkObjective, Canvas, Objective, TextureObjective
from .optimisers import Adam, Lbfgs, Optimiser
from .phases import Phase, brush_phases_of, phases_of
from .pyramid import Pyramid, refine
from .reading import Reading
from .style_cache import StyleTargets

FIRST_MOVE = 0.005  # mean absolute change of a painting's first step, in units of the image's range
SETTLING_MOVE = 0.001  # of the first step after the whitened ones, which begins near the minimum
LONGEST_MOVE = 0.05  # of any step: L-BFGS without a line search may leap once before its history is good


def paint(
    inputs: Inputs, network: Network, targets: StyleTargets, plan: Plan, monitor: Monitor, graphs: Graphs
) -> tuple[Tensor, Losses | None]:
    """The painting (1, 3, H, W) at the size of the plan's last scale, its values not yet clamped to [0, 1], and the
    losses that its last step began with, None if no step was taken.

    Raises `cancelled` and `diverged`.
    """
    recipe, losses = inputs.recipe, None
    image: Tensor | None = None  # x (1, 3, h, w) fp32
    content: Tensor | None = None  # (1, 3, h, w)
    finished_early = False
    for number, scale in enumerate(plan.scales):
        monitor.begin(number, scale)
        coarse = content  # the content at the scale before
        content, alpha = inputs.content(scale)  # (1, 3, h, w), and (h, w), None if opaque
        hold = inputs.hold(scale, content, alpha)
        if image is None or coarse is None:
            image = inputs.start(scale, content) if hold is None else inputs.begun(scale, hold)
        else:
            image = refine(image, coarse, content, wrap=recipe.tileable)
            image = image if hold is None else hold.applied(image)
        if finished_early or (hold is not None and not hold.share):
            continue  # no more steps; but the picture grows to its size
        with monitor.timed("style"):
            where = areas(recipe.styles, inputs.style_masks(scale), alpha, inputs.mask(scale))
            gamuts = [Gamut(targets.colours(area.styles), area.mask) for area in where]
            canvas = Canvas(
                network,
                content,
                Weighting(recipe.strength, tap_weights(recipe.layer_weights), recipe.tv, recipe.lines),
                pool=recipe.pool,
                wrap=recipe.tileable,
                tile=plan.tile,
                alive=monitor.check,
                gamut=GamutLoss(gamuts, recipe.strength) if recipe.look == "texture" else None,
                transfer=inputs.transfer,
                hold=hold,
            )
            objective = _objective(canvas, where, targets, scale, plan, recipe)
        finest = scale is plan.scales[-1]
        if finest:
            content = coarse = None  # no finer scale asks for them, and here their memory counts
        phases = _phases(scale, recipe, finest=finest, first=number == 0, film=hold is not None)
        curve = LossCurve(
            recipe.strength,
            settling_from=sum(phase.steps for phase in phases if not phase.settling),
            fresh=number == 0 and recipe.start_image is None and hold is None,
        )
        with monitor.timed("painting"):
            image, losses = _paint_scale(image, objective, phases, scale, plan, inputs, curve, monitor, graphs)
        finished_early = monitor.stopped == "finish"
    assert image is not None  # a plan has at least one scale
    return image, losses


def _objective(
    canvas: Canvas, where: Sequence[Area], targets: StyleTargets, scale: Scale, plan: Plan, recipe: Recipe
) -> Objective:
    """What the recipe's look minimises at a scale."""
    if recipe.look == "texture":
        return TextureObjective(canvas, regions(recipe.styles, targets.grams(scale, plan), where))
    banks = targets.banks(scale, plan)
    size = canvas.content.shape[2], canvas.content.shape[3]
    losses = [
        BrushworkLoss(
            [banks[i] for i in area.styles],
            [recipe.styles[i].weight for i in area.styles],
            recipe.strength * area.share,
            area.mask,
            size,
        )
        for area in where
    ]
    return BrushworkObjective(canvas, losses)


def _phases(scale: Scale, recipe: Recipe, *, finest: bool, first: bool, film: bool) -> tuple[Phase, ...]:
    if recipe.look == "texture":
        deepest_first = first or recipe.layer_weights is not None
        return phases_of(scale.steps, recipe.strength, finest=finest, deepest_first=deepest_first)
    # a painting that is gone on from has begun
    begun = not first or recipe.start_image is not None or film
    return brush_phases_of(scale.steps, recipe.strength, finest=finest, first=not begun)


def _paint_scale(
    image: Tensor,
    objective: Objective,
    phases: tuple[Phase, ...],
    scale: Scale,
    plan: Plan,
    inputs: Inputs,
    curve: LossCurve,
    monitor: Monitor,
    graphs: Graphs,
) -> tuple[Tensor, Losses | None]:
    """Take the steps of one scale."""
    losses: Losses | None = None
    monitor.stopped = "steps"
    hold = objective.canvas.hold
    free, share = (None, 1.0) if hold is None else (hold.free, hold.share)
    pyramid = Pyramid.of(scale.height, scale.width, wrap=inputs.recipe.tileable, free=free)
    optimiser = _optimiser(inputs.recipe, plan, pyramid.variables, image.device, share)
    reading = Reading(inputs, curve, monitor, plan.enough, scale.steps - 1)
    step, before = 0, None
    for phase in phases:
        objective.aim(phase, image)
        if before is not None and (before.whitened or phase.split):
            optimiser.reset(SETTLING_MOVE * share)
        before = phase
        take = graphs.steps_of(objective, pyramid, optimiser, image, phase.steps)
        for _ in range(phase.steps):
            if not monitor.go_on():
                monitor.stopped = "finish"
                return image, losses
            losses, image = take(image)
            monitor.stepped(scale)
            inputs.transfer.step_launched()
            if reading.converged_after(step, losses, image):
                monitor.stopped = "converged"
                return image, losses
            step += 1
    return image, losses


def _optimiser(recipe: Recipe, plan: Plan, variables: int, device: torch.device, share: float) -> Optimiser:
    """`share`: of the variables, so many move; the means over all of them are to be those of the ones that do."""
    if recipe.optimizer == "adam":
        return Adam(variables, device)
    return Lbfgs(variables, plan.history, device, first=FIRST_MOVE * share, longest=LONGEST_MOVE * share)

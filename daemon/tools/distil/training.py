"""The training: one teacher, one or more students, one loop that can be stopped and gone on with."""

from __future__ import annotations

import argparse
import copy
import csv
import json
import math
import random
import signal
import threading
import time
from typing import Any

import torch
from data import Batches, Pictures, crop, make_states
from loss import Learner, Taught, compare, forward, loss_of, teach
from muon import Muon
from network import FAST, Vgg, init_from_teacher, load_teacher
from safetensors import safe_open

#: How many batches of teacher features are kept to be learnt from again (1.6 GB).
REPLAYED = 56
#: New batches per step, at most: the teacher's forward pass is the dearest part, so each is learnt from three times.
FRESH = 0.34
STATE_SHARE = 0.6
WARM_UP = 60
#: Batches averaged before any learning: the first maps.
FIRST_AVERAGES = 12


class Training:
    """One teacher, one or more students, one loop."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.options, self.run = options, options.run
        self.rng = random.Random(options.seed)  # of what is shown: the teacher's thread draws from it
        self.picked = random.Random(options.seed + 1)  # of which batch is learnt from
        torch.manual_seed(options.seed)
        self.teacher = load_teacher(options.teacher, FAST)
        self.pictures = Pictures(options.pictures)
        self.batches = Batches(self.pictures.train, self.rng)
        self.replay: list[Taught] = []
        self.step, self.busy = 0, 0.0
        self.earlier = 0  # steps of the training that this one goes on from
        self.produced, self.consumed = 0, 0
        self.lock, self.over = threading.Lock(), threading.Event()
        self.learners = [self.learner(Vgg(tuple(map(int, w.split(","))))) for w in options.widths]
        self.checkpoint = self.run / "checkpoint.pt"
        self.run.mkdir(parents=True, exist_ok=True)
        if self.checkpoint.exists():
            self.resume()
        else:
            self.begin()
        self.check = self.validation()

    def learner(self, net: Vgg) -> Learner:
        net = net.to(memory_format=torch.channels_last)
        return Learner(net, Muon(net.parameters(), lr=self.options.lr))

    def say(self, text: str) -> None:
        print(f"[{time.strftime('%H:%M:%S', time.gmtime())}] step {self.step}: {text}", flush=True)

    def begin(self) -> None:
        images = torch.stack([image for _ in range(22) for image in self.batches.pair(224, 0)])
        for learner in self.learners:
            begun = self.shipped(learner.net)
            if not begun and not self.options.random_init:
                init_from_teacher(learner.net, self.teacher, images)
            self.say(f"student {learner.net.widths} {'goes on from ' + begun if begun else 'initialised'}")
        for _ in range(FIRST_AVERAGES):
            self.feed()
        self.settle()

    def shipped(self, net: Vgg) -> str:
        """Load an exported file of the same widths, if one is named; says which training it comes from, or nothing."""
        if self.options.start is None:
            return ""
        with safe_open(self.options.start, "pt") as stored:
            about = stored.metadata()
            if json.loads(about["widths"]) != list(net.widths):
                return ""
            net.features.load_state_dict(
                {k: stored.get_tensor(f"features.{k}").float() for k in net.features.state_dict()}
            )
        self.earlier = int(about["steps"])
        return f"{self.options.start.name}, step {about['steps']}"

    @torch.no_grad()
    def settle(self) -> None:
        """The averages, and so the maps, afresh from all kept batches: those of the network as it is now."""
        for learner in self.learners:
            learner.seen = {}
            for taught in self.replay:
                compare(learner, taught, observe=True)
            learner.solved = {}

    def validation(self) -> dict[str, Taught]:
        """Fixed batches never learnt from: pictures, and states that the teacher painted from held-out pictures."""
        kept = self.run / "validation.pt"
        rng = random.Random(1)
        if not kept.exists():
            held = self.pictures.held_out
            plain = torch.stack([crop(rng.choice(held[kind]), 192, rng) for kind in ("photo", "art") * 8])
            made = [state for _ in range(5) for state in make_states(self.teacher, None, held, rng)]
            states = [crop(x.float(), 192, rng, (1, 1)) for state in made[:8] for x in (state.picture, state.style)]
            torch.save({"pictures": plain, "states": torch.stack(states)}, kept)
        return {name: teach(self.teacher, images) for name, images in torch.load(kept).items()}

    def resume(self) -> None:
        stored = torch.load(self.checkpoint, weights_only=False)
        self.step, self.busy, self.earlier = stored["step"], stored["busy"], stored.get("earlier", 0)
        self.restore_chance(stored["chance"])
        by_widths = {tuple(s["widths"]): s for s in stored["students"]}
        for learner in self.learners:
            state = by_widths[learner.net.widths]
            learner.net.load_state_dict(state["net"])
            if state.get("optimiser_kind") == type(learner.optimiser).__name__:
                learner.optimiser.load_state_dict(state["optimiser"])
            learner.own, learner.cross, learner.spread = state["own"], state["cross"], state["spread"]
            learner.seen, learner.solved = state["seen"], state["solved"]
        states = self.run / "states.pt"
        if states.exists():
            self.batches.states = torch.load(states, weights_only=False)
        self.say("resumed")

    def chance(self) -> dict[str, Any]:
        """Where the sources of randomness are."""
        return {"draws": self.rng.getstate(), "choices": self.picked.getstate(), "torch": torch.get_rng_state()}

    def restore_chance(self, state: dict[str, Any]) -> None:
        self.rng.setstate(state["draws"])
        self.picked.setstate(state["choices"])
        torch.set_rng_state(state["torch"])

    def save(self) -> None:
        students = [
            {"widths": a.net.widths, "net": a.net.state_dict(),
             "optimiser": a.optimiser.state_dict(), "optimiser_kind": type(a.optimiser).__name__,
             "own": a.own, "cross": a.cross, "spread": a.spread, "seen": a.seen,
             "solved": {name: found.detach() for name, found in a.solved.items()}}
            for a in self.learners
        ]  # fmt: skip
        about = {
            "step": self.step,
            "earlier": self.earlier,
            "busy": self.busy,
            "chance": self.chance(),
            "pictures": {k: len(v) for k, v in self.pictures.train.items()},
        }
        for path, what in (
            (self.checkpoint, about | {"students": students}),
            (self.run / "states.pt", self.batches.states),
        ):
            part = path.with_suffix(".part")
            torch.save(what, part)
            part.replace(path)

    def feed(self) -> None:
        """One more batch with the teacher's answers."""
        fresh = teach(self.teacher, self.batches.draw(self.options.batch_pixels, STATE_SHARE))
        with self.lock:
            self.replay = [*self.replay[-REPLAYED + 1 :], fresh]
            self.produced += 1

    def keep_feeding(self) -> None:
        """The teacher's thread. Teacher and student never wait for each other within an operation, only here and there:
        on a busy machine that is worth more than two threads for both.
        """
        torch.set_num_threads(max(1, self.options.threads // 2))
        painted = self.step
        try:
            while not self.over.is_set():
                if self.step - painted >= self.options.paint_every:
                    self.paint_states()
                    painted = self.step
                elif self.produced < FIRST_AVERAGES + FRESH * self.consumed:
                    self.feed()
                else:
                    time.sleep(0.02)
        finally:
            self.over.set()  # learning on without new batches would go unnoticed

    def taught(self) -> Taught:
        """Any of the kept batches."""
        while len(self.replay) < min(4, REPLAYED) and not self.over.is_set():
            time.sleep(0.05)
        if self.over.is_set():
            raise RuntimeError("The teacher's thread has ended; its error is printed above.")
        with self.lock:
            self.consumed += 1
            return self.picked.choice(self.replay)

    def done(self) -> float:
        """The share of the training that is over, by steps or by minutes."""
        return min(1.0, max(self.step / self.options.steps, self.busy / 60 / self.options.minutes))

    def rate(self) -> float:
        """Warm-up, then a cosine down to a fiftieth."""
        done = self.done()
        return float(
            self.options.lr * min(1.0, self.step / WARM_UP) * (0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * done)))
        )

    def learn(self) -> float:
        taught, total = self.taught(), 0.0
        for learner in self.learners:
            for group in learner.optimiser.param_groups:
                group["lr"] = self.rate()
            learner.optimiser.zero_grad(set_to_none=True)
            loss = loss_of(compare(learner, taught, observe=True))
            loss.backward()
            torch.nn.utils.clip_grad_norm_(learner.net.parameters(), 5.0)
            learner.optimiser.step()
            total += float(loss.detach())
        return total

    def paint_states(self) -> None:
        """New states: by the teacher until learning starts, then by a student as it is now."""
        if self.step == 0:
            for _ in range(self.options.teacher_states):
                self.batches.add(make_states(self.teacher, None, self.pictures.train, self.rng))
            return
        learner = self.rng.choice(self.learners)
        net, maps = copy.deepcopy(learner.net).requires_grad_(requires_grad=False), learner.maps()
        self.batches.add(make_states(lambda x: forward(net, x), maps, self.pictures.train, self.rng))

    def report(self) -> None:
        new = not (self.run / "log.csv").exists()
        with (self.run / "log.csv").open("a", newline="") as file:
            out = csv.writer(file)
            if new:
                out.writerow(["step", "minutes", "student", "set", "tap", "unexplained", "gram_error"])
            for learner in self.learners:
                for name, taught in self.check.items():
                    with torch.no_grad():
                        figures = compare(learner, taught, observe=False)
                    widths = "-".join(map(str, learner.net.widths))
                    for tap, (left, wrong) in figures.items():
                        out.writerow(
                            [self.step, f"{self.busy / 60:.1f}", widths, name, tap, f"{left:.4f}", f"{wrong:.4f}"]
                        )
                    self.say(
                        f"{widths} {name} " + " ".join(f"{t[4:]} {a:.3f}/{b:.3f}" for t, (a, b) in figures.items())
                    )

    def go(self) -> None:
        options = self.options
        if self.step == 0:
            self.report()
            self.paint_states()
            self.say(f"{len(self.batches.states)} states by the teacher")
            self.save()
        threading.Thread(target=self.keep_feeding, daemon=True).start()
        torch.set_num_threads(max(1, options.threads // 2))
        recent: list[float] = []
        asked = threading.Event()
        for ending in (signal.SIGTERM, signal.SIGINT):
            signal.signal(ending, lambda *_: asked.set())  # ends after this step, and saves it
        while self.done() < 1 and not asked.is_set():
            began = time.perf_counter()
            recent.append(self.learn())
            self.step += 1
            self.busy += time.perf_counter() - began
            if self.step % 50 == 0:
                self.say(f"loss {sum(recent) / len(recent):.4f}, {self.busy / self.step:.2f} s a step on average")
                recent = []
            if self.step % options.report_every == 0:
                self.report()
                self.save()
        self.over.set()
        if self.done() >= 1:  # a training that is only stopped keeps its averages: few batches may be here yet
            self.settle()
            self.report()
        self.save()
        self.say("ended" if self.done() >= 1 else "stopped; the same command goes on from here")

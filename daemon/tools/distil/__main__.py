"""Distils VGG19 into the narrow network that the package ships, `vgg19-lite`.

    python daemon/tools/distil train PICTURES --teacher vgg19_features.pth --run RUN [--widths 16,32,96,192,192]
    python daemon/tools/distil export RUN/checkpoint.pt --out vgg19-lite.safetensors [--student 0]

PICTURES holds two folders, `photo` and `art`. Training can be stopped at any time (TERM or Ctrl-C: after the step), and
the same command goes on from RUN/checkpoint.pt: weights, optimiser, averages, step and random state. Killed, it loses
the steps since the last report. The kept batches are drawn anew. It logs to RUN/log.csv. On a CPU, half the time goes
into fresh memory unless GLIBC_TUNABLES=glibc.malloc.hugetlb=1 MALLOC_MMAP_THRESHOLD_=8589934592
MALLOC_TRIM_THRESHOLD_=17179869184 are set.

What is learnt: that a linear map (with a bias) of each tap of the student gives the teacher's tap, and that the
difference of two pictures' Gram matrices, carried over by that map, is the teacher's. The maps are never
trained: they are the ridge solution of running averages, so the student always learns against the best map of
the moment. Export absorbs them: with W' = [W b] and W' = QR, R [s; 1] has the same inner products as W' [s; 1],
so only R travels, as the metric of the tap. The nearest published work is collaborative distillation (Wang et
al., CVPR 2020).
"""

from __future__ import annotations

import argparse
import json
import math
from pathlib import Path

import torch
from loss import Learner
from network import CONTENT_TAP, MEAN, STD, STYLE_TAPS, TEACHER_WIDTHS, Vgg
from safetensors.torch import save_file
from training import Training

SCRIPT_VERSION = "2"


def export(options: argparse.Namespace) -> None:
    """Writes the student with the maps absorbed: fp16 weights, R of each tap, provenance in the metadata."""
    stored = torch.load(options.checkpoint, weights_only=False)
    state = stored["students"][options.student]
    net = Vgg(tuple(state["widths"]))
    net.load_state_dict(state["net"])
    learner = Learner(net, torch.optim.SGD(net.parameters()), state["own"], state["cross"], state["spread"])
    tensors = {f"features.{key}": value.half().contiguous() for key, value in net.features.state_dict().items()}
    for name, to_teacher in learner.maps().items():
        # to_teacher' = W' (N, n+1) = QR; the sign of each row of R is free, so its diagonal is made positive
        metric = torch.linalg.qr(to_teacher.T.double(), mode="r").R
        tensors[f"taps.{name}.metric"] = (metric * metric.diagonal().sign()[:, None]).half().contiguous()
    about = {
        "format": "vaporbrush-lite/1",
        "model": "vgg19-lite",
        "widths": json.dumps(net.widths),
        "teacher_widths": json.dumps(
            dict(zip(STYLE_TAPS, TEACHER_WIDTHS, strict=True)) | {CONTENT_TAP: TEACHER_WIDTHS[3]}
        ),
        "pooling": "max",
        "input": json.dumps({"channels": "RGB in [0, 1]", "mean": MEAN, "std": STD}),
        "teacher": "VGG19 (Simonyan & Zisserman 2015), ImageNet weights of the Oxford Visual Geometry Group",
        "data": f"{stored['pictures']} training pictures, augmented, and states of stylisations of them",
        "script": f"daemon/tools/distil version {SCRIPT_VERSION}",
        "steps": str(stored.get("earlier", 0) + stored["step"]),
        "licence": "derived from the Oxford VGG19 weights, CC BY 4.0",
    }
    save_file(tensors, options.out, metadata=about)
    print(f"{options.out}: {options.out.stat().st_size / 1e6:.2f} MB, step {stored['step']}, widths {net.widths}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(required=True)
    train = commands.add_parser("train")
    train.add_argument("pictures", type=Path)
    train.add_argument("--teacher", type=Path, required=True)
    train.add_argument("--run", type=Path, required=True)
    train.add_argument("--widths", nargs="+", default=["16,32,96,192,192"], help="one student each")
    train.add_argument("--steps", type=int, default=8000)
    train.add_argument("--minutes", type=float, default=math.inf, help="end after so many minutes of learning in all")
    train.add_argument("--batch-pixels", type=int, default=4 * 160 * 160, help="pixels of one batch (at least a pair)")
    train.add_argument("--lr", type=float, default=1e-3)
    train.add_argument("--threads", type=int, default=2)
    train.add_argument("--seed", type=int, default=0)
    train.add_argument(
        "--teacher-states", type=int, default=16, help="stylisations painted by the teacher at the start"
    )
    train.add_argument("--paint-every", type=int, default=60, help="steps between two stylisations by the student")
    train.add_argument("--report-every", type=int, default=200)
    train.add_argument("--start", type=Path, help="an exported file: the student of its widths goes on from it")
    train.add_argument(
        "--random-init", action="store_true", help="start from noise (to measure what the start is worth)"
    )
    train.set_defaults(do=lambda options: Training(options).go())
    exported = commands.add_parser("export")
    exported.add_argument("checkpoint", type=Path)
    exported.add_argument("--out", type=Path, required=True)
    exported.add_argument("--student", type=int, default=0)
    exported.set_defaults(do=export)
    options = parser.parse_args()
    torch.set_num_threads(getattr(options, "threads", 2))
    options.do(options)


if __name__ == "__main__":
    main()

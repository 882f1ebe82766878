"""Trains the superpixel network: `python -m clustseg.train --run runs/superpixel --minutes 80`.

The same command goes on where a run stopped. Same code on CPU (bfloat16 autocast) and CUDA. Writes to the run's folder:
checkpoint.pt (weights, their average, optimizer, clock), log.jsonl (one line per report) and curves.png.
"""

from __future__ import annotations

import argparse
import copy
import json
import math
import os
import time
from dataclasses import asdict, replace
from pathlib import Path

import torch

from .connectivity import enforce_connectivity, minimum_area
from .data import SuperpixelBatches, read_bsds
from .losses import LossWeights, superpixel_loss
from .evaluate import evaluate_superpixels
from .network import SuperpixelClustSeg, SuperpixelConfig

LABEL_CLASSES = 14
ENCODER_RATE = 0.15
# A piece of a superpixel below this share of the mean area is merged into a neighbour.
MIN_AREA_RATIO = 0.125


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--run", type=Path, required=True, help="folder of this run")
    parser.add_argument("--data", type=Path, default=Path(os.environ.get("CLUSTSEG_DATA", "../../shared/data")))
    parser.add_argument("--minutes", type=float, default=80.0, help="length of the cosine schedule, in minutes of training")
    parser.add_argument("--iterations", type=int, help="length of the schedule in steps instead")
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--crop", type=int, default=256)
    parser.add_argument("--rate", type=float, default=2e-3, help="peak learning rate; the encoder's is %.2f of it" % ENCODER_RATE)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--evaluate-every", type=float, default=10.0, help="minutes between evaluations on val; 0 for none")
    parser.add_argument("--evaluate-images", type=int, default=16)
    parser.add_argument("--from-scratch", action="store_true", help="no ImageNet weights in the encoder")
    for name, default in asdict(LossWeights()).items():
        parser.add_argument(f"--{name.replace('_', '-')}", type=float, default=default)
    config = SuperpixelConfig()
    parser.add_argument("--encoder", default=config.encoder)
    parser.add_argument("--steps", type=int, default=config.steps, help="T")
    parser.add_argument("--start", default=config.start, choices=("grid", "random"))
    parser.add_argument("--similarity", default=config.similarity, choices=("gaussian", "dot"))
    parser.add_argument("--attention", default=config.attention, choices=("rca", "vanilla"))
    return parser.parse_args()


class Trainer:
    """A run: network, its exponential average, optimizer and clock, saved and restored together."""

    def __init__(self, arguments: argparse.Namespace) -> None:
        torch.manual_seed(arguments.seed)
        self.arguments = arguments
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        config = replace(
            SuperpixelConfig(),
            encoder=arguments.encoder,
            steps=arguments.steps,
            start=arguments.start,
            similarity=arguments.similarity,
            attention=arguments.attention,
        )
        self.network = SuperpixelClustSeg(config).to(self.device, memory_format=torch.channels_last)
        self.weights = LossWeights(**{name: getattr(arguments, name) for name in asdict(LossWeights())})
        if not arguments.from_scratch:
            self.network.backbone.encoder.load_imagenet()
        self.average = copy.deepcopy(self.network).eval().requires_grad_(False)
        encoder = list(self.network.backbone.encoder.parameters())
        known = {id(parameter) for parameter in encoder}
        others = [parameter for parameter in self.network.parameters() if id(parameter) not in known]
        self.optimizer = torch.optim.AdamW(
            [{"params": encoder, "scale": ENCODER_RATE}, {"params": others, "scale": 1.0}], lr=arguments.rate, weight_decay=1e-4
        )
        self.step, self.seconds = 0, 0.0
        arguments.run.mkdir(parents=True, exist_ok=True)
        self.checkpoint = arguments.run / "checkpoint.pt"
        if self.checkpoint.exists():
            self._restore()

    def _restore(self) -> None:
        saved = torch.load(self.checkpoint, map_location=self.device, weights_only=True)
        if saved["config"] != self.network.config.to_dict():
            raise SystemExit(f"{self.checkpoint} is of another configuration: {saved['config']}; give another --run")
        self.network.load_state_dict(saved["network"])
        self.average.load_state_dict(saved["average"])
        self.optimizer.load_state_dict(saved["optimizer"])
        self.step, self.seconds = saved["step"], saved["seconds"]

    def save(self) -> None:
        whole = {
            "config": self.network.config.to_dict(),
            "network": self.network.state_dict(),
            "average": self.average.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "step": self.step,
            "seconds": self.seconds,
        }
        partial = self.checkpoint.with_suffix(".partial")
        torch.save(whole, partial)
        partial.replace(self.checkpoint)

    @property
    def progress(self) -> float:
        if self.arguments.iterations:
            return min(1.0, self.step / self.arguments.iterations)
        return min(1.0, self.seconds / (60 * self.arguments.minutes))

    def _set_rate(self) -> float:
        warm = min(1.0, (self.step + 1) / 100)
        rate = self.arguments.rate * warm * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * self.progress)))
        for group in self.optimizer.param_groups:
            group["lr"] = rate * group["scale"]
        return rate

    def train_step(self, batches: SuperpixelBatches) -> dict[str, float]:
        started = time.monotonic()
        batch = next(batches)
        rate = self._set_rate()
        image, labels = batch.image.to(self.device), batch.labels.to(self.device)
        with torch.autocast(self.device.type, dtype=torch.bfloat16):
            steps = self.network(image, batch.rows, batch.columns)
        loss, parts = superpixel_loss(steps, labels, LABEL_CLASSES, batch.rows, batch.columns, self.weights)
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        norm = torch.nn.utils.clip_grad_norm_(self.network.parameters(), 5.0)
        self.optimizer.step()
        self._average()
        self.step += 1
        self.seconds += time.monotonic() - started
        return {"loss": loss.item(), **parts, "gradient_norm": norm.item(), "rate": rate}

    @torch.no_grad()
    def _average(self) -> None:
        decay = min(0.998, (1 + self.step) / (10 + self.step))
        for mean, current in zip(self.average.state_dict().values(), self.network.state_dict().values()):
            if mean.dtype.is_floating_point:
                mean.lerp_(current, 1 - decay)
            else:
                mean.copy_(current)

    @torch.no_grad()
    def evaluate(self) -> list[dict[str, float]]:
        """ASA, CO and the rest of the averaged weights on the first images of val."""

        def segment(image, superpixels):
            pixels = torch.from_numpy(image.copy()).unsqueeze(0).to(self.device)
            labels = self.average.segment(pixels, torch.tensor([superpixels]), torch.tensor([0, 0]))
            seeds = labels[0].cpu().numpy().astype("uint16")
            return enforce_connectivity(seeds, minimum_area(seeds, MIN_AREA_RATIO))

        return evaluate_superpixels(
            segment, self.arguments.data / "bsds500", "val", [100, 300, 600], limit=self.arguments.evaluate_images
        )


def main() -> None:
    arguments = parse_arguments()
    torch.set_num_threads(arguments.threads)
    trainer = Trainer(arguments)
    photographs = read_bsds(arguments.data / "bsds500", "train")
    # Another seed after a resume, or the run would see its first crops again.
    batches = SuperpixelBatches(photographs, arguments.batch, arguments.crop, LABEL_CLASSES, arguments.seed + trainer.step)
    log = (arguments.run / "log.jsonl").open("a", buffering=1)
    report: dict[str, float] = {}
    saved = evaluated = trainer.seconds
    while trainer.progress < 1.0:
        values = trainer.train_step(batches)
        for name, value in values.items():
            report[name] = report.get(name, value) * 0.98 + value * 0.02
        if trainer.step % 50 == 0:
            line = {"step": trainer.step, "minutes": round(trainer.seconds / 60, 2), **{k: round(v, 6) for k, v in report.items()}}
            log.write(json.dumps(line) + "\n")
        if trainer.seconds - saved > 120:
            trainer.save()
            saved = trainer.seconds
        if arguments.evaluate_every and trainer.seconds - evaluated > 60 * arguments.evaluate_every:
            evaluated = trainer.seconds
            log.write(json.dumps({"step": trainer.step, "minutes": round(trainer.seconds / 60, 2), "val": trainer.evaluate()}) + "\n")
    trainer.save()
    log.write(json.dumps({"step": trainer.step, "minutes": round(trainer.seconds / 60, 2), "val": trainer.evaluate()}) + "\n")
    log.close()
    from .plot import draw_training

    draw_training(arguments.run)


if __name__ == "__main__":
    main()

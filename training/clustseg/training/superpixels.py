"""Trains the superpixel network: `python -m clustseg.train --recipe superpixel --run runs/superpixel --minutes 80`.

The same command goes on where a run stopped. Same code on CPU (bfloat16 autocast) and CUDA. Writes to the run's folder:
checkpoint.pt (weights, their average, optimizer, clock), log.jsonl (one line per report) and curves.png.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path

import torch

from clustseg.bundle.connectivity import enforce_connectivity, minimum_area
from clustseg.bundle.evaluate_superpixels import evaluate_superpixels
from clustseg.data.root import add_data_argument, existing_root
from clustseg.data.superpixel_crops import SuperpixelBatches, read_bsds
from clustseg.losses.superpixels import LossWeights, superpixel_loss
from clustseg.model.network import SuperpixelClustSeg, SuperpixelConfig
from clustseg.training.plot import draw_training
from clustseg.training.trainer import Trainer

LABEL_CLASSES = 14
ENCODER_RATE = 0.15
# A piece of a superpixel below this share of the mean area is merged into a neighbour.
MIN_AREA_RATIO = 0.125


def parse_arguments(given: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="clustseg.train --recipe superpixel", description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    parser.add_argument("--run", type=Path, required=True, help="folder of this run")
    add_data_argument(parser)
    parser.add_argument("--minutes", type=float, default=80.0, help="length of the cosine schedule, in minutes of training")
    parser.add_argument("--iterations", type=int, default=0, help="length of the schedule in steps instead")
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
    return parser.parse_args(given)


def trainer_of(arguments: argparse.Namespace) -> Trainer:
    """A run of what the arguments say, as far as it got."""
    torch.manual_seed(arguments.seed)
    switches = {name: getattr(arguments, name) for name in ("encoder", "steps", "start", "similarity", "attention")}
    network = SuperpixelClustSeg(replace(SuperpixelConfig(), **switches))
    network = network.to("cuda" if torch.cuda.is_available() else "cpu", memory_format=torch.channels_last)
    if not arguments.from_scratch:
        network.backbone.encoder.load_imagenet()
    encoder = list(network.backbone.encoder.parameters())
    known = {id(parameter) for parameter in encoder}
    others = [parameter for parameter in network.parameters() if id(parameter) not in known]
    groups = [(encoder, ENCODER_RATE), (others, 1.0)]
    config = network.config.to_dict()
    return Trainer(network, config, groups, arguments.run, arguments.rate, arguments.minutes, arguments.iterations)


@torch.no_grad()
def evaluate(network: SuperpixelClustSeg, data: Path, images: int) -> list[dict[str, float]]:
    """ASA, CO and the rest on the first images of BSDS500 val."""
    device = next(network.parameters()).device

    def segment(image, superpixels):
        pixels = torch.from_numpy(image.copy()).unsqueeze(0).to(device)
        labels = network.segment(pixels, torch.tensor([superpixels]), torch.tensor([0, 0]))
        seeds = labels[0].cpu().numpy().astype("uint16")
        return enforce_connectivity(seeds, minimum_area(seeds, MIN_AREA_RATIO))

    return evaluate_superpixels(segment, data / "bsds500", "val", [100, 300, 600], limit=images)


def main(given: Sequence[str] | None = None) -> None:
    arguments = parse_arguments(given)
    torch.set_num_threads(arguments.threads)
    trainer = trainer_of(arguments)
    weights = LossWeights(**{name: getattr(arguments, name) for name in asdict(LossWeights())})
    photographs = read_bsds(existing_root(arguments.data) / "bsds500", "train")
    # Another seed after a resume, or the run would see its first crops again.
    batches = SuperpixelBatches(photographs, arguments.batch, arguments.crop, LABEL_CLASSES, arguments.seed + trainer.step)
    device = next(trainer.network.parameters()).device

    def loss():
        batch = next(batches)
        image, labels = batch.image.to(device), batch.labels.to(device)
        with torch.autocast(device.type, dtype=torch.bfloat16):
            steps = trainer.network(image, batch.rows, batch.columns)
        return superpixel_loss(steps, labels, LABEL_CLASSES, batch.rows, batch.columns, weights)

    trainer.fit(
        loss, lambda: evaluate(trainer.average, arguments.data, arguments.evaluate_images), arguments.evaluate_every
    )
    draw_training(arguments.run)


if __name__ == "__main__":
    main()

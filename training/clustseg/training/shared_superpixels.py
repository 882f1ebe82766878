"""Teaches a trained mask network superpixels: `python -m clustseg.training.shared_superpixels --trunk runs/photo --run runs/photo-superpixel`.

The trunk stays as it is; finer levels and the grid start's RCA layers are trained on BSDS500 train, as clustseg.train does.
The same command goes on where it stopped.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import torch

from clustseg.bundle.connectivity import enforce_connectivity, minimum_area
from clustseg.bundle.evaluate_superpixels import evaluate_superpixels
from clustseg.data.root import add_data_argument, existing_root
from clustseg.data.superpixel_crops import SuperpixelBatches, read_bsds
from clustseg.losses.superpixels import LossWeights, superpixel_loss
from clustseg.model.network import SuperpixelClustSeg
from clustseg.model.shared_superpixels import shared_superpixels
from clustseg.model.universal import UniversalClustSeg, UniversalConfig
from clustseg.training.trainer import Trainer

LABEL_CLASSES = 14
MIN_AREA_RATIO = 0.125


def load_trunk(run: Path) -> UniversalClustSeg:
    """The averaged weights of a mask network's run."""
    saved = torch.load(run / "checkpoint.pt", map_location="cpu", weights_only=True)
    trunk = UniversalClustSeg(UniversalConfig.from_dict(saved["config"]["network"]))
    trunk.load_state_dict(saved["average"])
    return trunk.eval()


def evaluate(network: SuperpixelClustSeg, data: Path, images: int) -> list[dict[str, float]]:
    """ASA, CO and the rest on the first images of BSDS500 val."""

    @torch.no_grad()
    def segment(image, superpixels):
        pixels = torch.from_numpy(image.copy()).unsqueeze(0)
        seeds = network.segment(pixels, torch.tensor([superpixels]), torch.tensor([0, 0]))[0].numpy().astype("uint16")
        return enforce_connectivity(seeds, minimum_area(seeds, MIN_AREA_RATIO))

    return evaluate_superpixels(segment, data / "bsds500", "val", [100, 300, 600], limit=images)


def main(given: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trunk", type=Path, required=True, help="run of the mask network")
    parser.add_argument("--run", type=Path, required=True)
    add_data_argument(parser)
    parser.add_argument("--minutes", type=float, default=15)
    parser.add_argument("--iterations", type=int, default=0, help="train so many steps instead of minutes")
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--crop", type=int, default=256)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--evaluate-images", type=int, default=12)
    arguments = parser.parse_args(given)
    torch.set_num_threads(arguments.threads)
    torch.manual_seed(arguments.seed)
    network = shared_superpixels(load_trunk(arguments.trunk)).to(memory_format=torch.channels_last)
    config = {"trunk": str(arguments.trunk.name), "network": network.config.to_dict()}
    trainer = Trainer(
        network, config, [(list(network.parameters()), 1.0)], arguments.run, 2e-3, arguments.minutes, arguments.iterations
    )
    weights = LossWeights()
    photographs = read_bsds(existing_root(arguments.data) / "bsds500", "train")
    batches = SuperpixelBatches(photographs, arguments.batch, arguments.crop, LABEL_CLASSES, arguments.seed + trainer.step)

    def loss():
        batch = next(batches)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            steps = network(batch.image, batch.rows, batch.columns)
        return superpixel_loss(steps, batch.labels, LABEL_CLASSES, batch.rows, batch.columns, weights)

    trainer.fit(loss, lambda: evaluate(trainer.average, arguments.data, arguments.evaluate_images))


if __name__ == "__main__":
    main()

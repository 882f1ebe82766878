"""Trains superpixels from a recipe's file, on one device or many. `clustseg.train --config` calls it."""

from __future__ import annotations

import argparse

import torch

from clustseg.data.streams import ahead
from clustseg.data.superpixel_crops import SuperpixelBatches, read_bsds
from clustseg.losses.superpixels import superpixel_loss
from clustseg.model.network import SuperpixelClustSeg
from clustseg.training.distributed import World, in_parallel, precision_of, shared_statistics
from clustseg.training.recipe_files import SuperpixelRecipe
from clustseg.training.superpixels import LABEL_CLASSES, evaluate
from clustseg.training.trainer import Trainer


def superpixel_trainer(
    network: SuperpixelClustSeg, recipe: SuperpixelRecipe, images: int, arguments: argparse.Namespace, **options: object
) -> Trainer:
    """`options` go to the Trainer."""
    plan = recipe.plan
    encoder = list(network.backbone.encoder.parameters())
    known = {id(parameter) for parameter in encoder}
    others = [parameter for parameter in network.parameters() if id(parameter) not in known]
    iterations = arguments.iterations or plan.steps(images, recipe.batch)
    return Trainer(
        network, {"recipe": recipe.name, "network": network.config.to_dict()}, [(encoder, recipe.encoder_rate), (others, 1.0)],
        arguments.run, recipe.rate, arguments.minutes, iterations, plan.weight_decay, plan.ema,
        schedule=plan.schedule, warmup=plan.warmup, clip=plan.clip, **options,
    )  # fmt: skip


def train_superpixel_recipe(
    recipe: SuperpixelRecipe, arguments: argparse.Namespace, world: World, share: int, network: SuperpixelClustSeg
) -> None:
    """A run, as far as it still has to go; `share` is this process's crops a part of a step."""
    network = shared_statistics(network, world).to(world.device, memory_format=torch.channels_last)
    precision = precision_of(arguments.precision or recipe.plan.precision, world.device)
    photographs = read_bsds(arguments.data / "bsds500", "train")
    keep = not arguments.dry_run
    trainer = superpixel_trainer(
        network, recipe, len(photographs), arguments, precision=precision, parts=arguments.accumulate, world=world, keep=keep
    )
    seed = arguments.seed + trainer.step + 1_000_000 * world.rank
    workers = recipe.plan.workers if arguments.workers is None else arguments.workers

    def batches_of(worker: int) -> SuperpixelBatches:
        own = (seed, worker) if worker else seed
        return SuperpixelBatches(photographs, share, recipe.crop, LABEL_CLASSES, own, scale=recipe.scale)

    batches = ahead(batches_of, workers)

    def objective(image: torch.Tensor, labels: torch.Tensor, rows: int, columns: int) -> tuple[torch.Tensor, dict[str, float]]:
        with precision.autocast(world.device):
            steps = network(image, rows, columns)
        return superpixel_loss(steps, labels, LABEL_CLASSES, rows, columns, recipe.weights)

    loss_of = in_parallel(network, objective, world)
    if world.size > 1:
        trainer.alone = loss_of.no_sync

    def loss() -> tuple[torch.Tensor, dict[str, float]]:
        batch = next(batches)
        return loss_of(batch.image.to(world.device), batch.labels.to(world.device), batch.rows, batch.columns)

    trainer.fit(loss, lambda: evaluate(trainer.average, arguments.data, recipe.test.images), arguments.evaluate_every)

"""Trains a mask network: `python -m clustseg.train --recipe street --run runs/street --minutes 60`.

The same command goes on where it stopped. Data: CLUSTSEG_DATA, or --data. With --config, trains what a file says
(recipe_files.py), superpixels too; on several GPUs by

    torchrun --nproc-per-node 8 -m clustseg.train --config configs/panoptic-coco-r50.json --encoder-weights …
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import torch

from clustseg.data.root import add_data_argument, existing_root
from clustseg.data.streams import ahead
from clustseg.evaluate_config import evaluate_recipe
from clustseg.losses.mask_objective import Batches, MaskObjective, class_weights
from clustseg.model.network import SuperpixelClustSeg
from clustseg.model.universal import UniversalClustSeg
from clustseg.training.distributed import World, in_parallel, join_world, leave_world, precision_of, shared_statistics
from clustseg.training.earlier_runs import begin_with
from clustseg.training.evaluate_masks import evaluate_masks
from clustseg.training.plan import TrainingPlan
from clustseg.training.recipe_files import FileRecipe, SuperpixelRecipe, dry, load_recipe
from clustseg.training.recipes import RECIPES, Recipe
from clustseg.training.trainer import Trainer


def trainer_of(
    network: UniversalClustSeg, recipe: Recipe, name: str, run: Path, minutes: float, iterations: int, **options: object
) -> Trainer:
    """`options` go to the Trainer."""
    network.encoder.freeze_up_to(recipe.frozen_stride)
    known = {id(parameter) for parameter in network.encoder.parameters()}
    encoder = [parameter for parameter in network.encoder.parameters() if parameter.requires_grad]
    others = [parameter for parameter in network.parameters() if id(parameter) not in known]
    config = {"recipe": name, "network": network.config.to_dict(), "normalise": recipe.normalise}
    groups = [(encoder, recipe.encoder_rate), (others, 1.0)]
    return Trainer(network, config, groups, run, recipe.rate, minutes, iterations, **options)


def objective_of(network: UniversalClustSeg, recipe: Recipe, *arguments: object) -> MaskObjective:
    """Seeds with a place are matched by it, others by their masks. `arguments` go to the objective."""
    if recipe.config.start == "peaks":
        return MaskObjective(network, recipe, *arguments)
    from clustseg.losses.paper_objective import HungarianObjective

    return HungarianObjective(network, recipe, *arguments)


def share_of_batch(batch: int, world: World, parts: int) -> int:
    """Crops of a process and a part of a step."""
    if batch % (world.size * parts):
        raise SystemExit(f"a batch of {batch} cannot be shared by {world.size} processes with --accumulate {parts}")
    return batch // (world.size * parts)


def load_encoder(encoder: torch.nn.Module, arguments: argparse.Namespace) -> None:
    """ImageNet weights: those of --encoder-weights, or of the installed package for encoders that have one."""
    if arguments.encoder_weights is not None:
        encoder.load_published(arguments.encoder_weights)
    elif hasattr(encoder, "load_imagenet"):
        encoder.load_imagenet()
    else:
        raise SystemExit(
            f"{encoder.name} begins with ImageNet weights: give their file by --encoder-weights (training/README.md says "
            "which), or --from-scratch"
        )


def begins_elsewhere(arguments: argparse.Namespace) -> bool:
    """Whether ImageNet weights are not wanted, or would be replaced by a checkpoint's."""
    return arguments.from_scratch or arguments.dry_run or (arguments.run / "checkpoint.pt").exists()


def train(recipe: Recipe, name: str, arguments: argparse.Namespace, world: World) -> None:
    """A run of `recipe`, as far as it still has to go."""
    plan = recipe.plan if isinstance(recipe, FileRecipe) else TrainingPlan()
    parts, keep = arguments.accumulate, not arguments.dry_run
    share = share_of_batch(recipe.batch, world, parts)
    root = arguments.data / recipe.folder
    samples = recipe.read(root, "train", long_side=recipe.long_side, cache=plan.cache)
    val = recipe.read(root, "val", long_side=recipe.long_side, cache=plan.cache)
    if isinstance(recipe, FileRecipe):
        recipe = recipe.for_classes(samples.categories)
    network = UniversalClustSeg(recipe.config)
    if not begins_elsewhere(arguments):
        if arguments.begin_with is None:
            load_encoder(network.encoder, arguments)
        else:
            begin_with(network, arguments.begin_with, arguments.run)
    network = shared_statistics(network, world).to(world.device, memory_format=torch.channels_last)
    precision = precision_of(arguments.precision or plan.precision, world.device)
    iterations = arguments.iterations or plan.steps(len(samples), recipe.batch)
    trainer = trainer_of(
        network, recipe, name, arguments.run, arguments.minutes, iterations, weight_decay=plan.weight_decay, ema=plan.ema,
        schedule=plan.schedule, warmup=plan.warmup, clip=plan.clip, precision=precision, parts=parts, world=world, keep=keep,
    )  # fmt: skip
    # Another seed after a resume, or the run would see its first crops again.
    seed = arguments.seed + trainer.step + 1_000_000 * world.rank
    torch.manual_seed(seed)
    frequency = recipe.frequency(root, samples) if recipe.frequency else None
    workers = plan.workers if arguments.workers is None else arguments.workers
    batches = ahead(lambda worker: Batches(samples, recipe, frequency, (seed, worker) if worker else seed, share), workers)
    balanced = "semantic" in recipe.config.tasks and recipe.balance
    weights = class_weights(samples, recipe.balance) if balanced else torch.ones(len(recipe.config.things))
    loss_of = in_parallel(network, objective_of(network, recipe, weights, seed, world, precision), world)
    if world.size > 1:
        trainer.alone = loss_of.no_sync
    measure = evaluate_recipe if isinstance(recipe, FileRecipe) else evaluate_masks
    trainer.fit(
        lambda: loss_of(next(batches).to(world.device), trainer.progress),
        lambda: measure(trainer.average, recipe, val, limit=recipe.evaluate_images),
        arguments.evaluate_every,
    )


def train_file(recipe: FileRecipe | SuperpixelRecipe, arguments: argparse.Namespace, world: World) -> None:
    """A run of a file's recipe."""
    if isinstance(recipe, FileRecipe):
        train(recipe, recipe.name, arguments, world)
        return
    from clustseg.training.superpixel_recipe import train_superpixel_recipe

    network = SuperpixelClustSeg(recipe.config)
    if not begins_elsewhere(arguments):
        load_encoder(network.backbone.encoder, arguments)
    train_superpixel_recipe(recipe, arguments, world, share_of_batch(recipe.batch, world, arguments.accumulate), network)


def parse_arguments(given: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--recipe", choices=sorted(RECIPES))
    source.add_argument("--config", type=Path, help="a recipe's file")
    add_data_argument(parser)
    # torchrun of Python 3.11 takes --run for an abbreviation of options of its own, and refuses it.
    parser.add_argument("--run", "--run-folder", type=Path, help="the run's folder; default, of a file: runs/<its name>")
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--iterations", type=int, default=0, help="train so many steps instead of minutes")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--evaluate-every", type=float, help="minutes between measurements on val, 0 for none; default: 10, of a file 120")
    parser.add_argument("--from-scratch", action="store_true", help="no ImageNet weights in the encoder")
    parser.add_argument("--begin-with", type=Path, help="a run's folder: begin with its weights, for all of the network")
    parser.add_argument("--encoder-weights", type=Path, help="file of ImageNet weights, as their authors publish them")
    parser.add_argument("--device", default="auto", help="auto: CUDA where there is one")
    parser.add_argument("--precision", choices=("auto", "bf16", "fp16", "fp32"), help="default: the recipe's")
    parser.add_argument("--accumulate", type=int, default=1, help="parts that a step's batch is worked in, to save memory")
    parser.add_argument("--workers", type=int, help="processes that read images, each; default: the recipe's")
    parser.add_argument("--dry-run", action="store_true", help="two steps of tiny crops and one image of val; writes nothing")
    arguments = parser.parse_args(given)
    if arguments.run is None and arguments.config:
        arguments.run = Path("runs") / arguments.config.stem
    if arguments.run is None and not arguments.dry_run:
        parser.error("the following arguments are required: --run")
    if arguments.evaluate_every is None:
        # What is measured on one GPU keeps all others waiting.
        arguments.evaluate_every = 120.0 if arguments.config else 10.0
    return arguments


def main(given: Sequence[str] | None = None) -> None:
    arguments = parse_arguments(given)
    existing_root(arguments.data)
    recipe = load_recipe(arguments.config) if arguments.config else RECIPES[arguments.recipe]
    torch.set_num_threads(arguments.threads)
    torch.manual_seed(arguments.seed)
    world = join_world(arguments.device)
    try:
        if arguments.dry_run:
            arguments.run, arguments.iterations, arguments.evaluate_every = Path("dry-run"), 2, 0.0
            recipe = dry(recipe, crops=2 * world.size * arguments.accumulate)
        if arguments.config:
            train_file(recipe, arguments, world)
        else:
            train(recipe, arguments.recipe, arguments, world)
    finally:
        leave_world()


if __name__ == "__main__":
    main()

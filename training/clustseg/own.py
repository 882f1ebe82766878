"""Trains a bundle on images of your own:

    python -m clustseg.own --data my-folder --task instance --out ../my-bundle --minutes 10

The data set is a folder of images and masks, or an export of CVAT, Label Studio or COCO (readers/any.py says how each looks). A
fifth of the images is kept for val, where the data set has no split of its own. Sizes of images and objects say what is trained;
--from starts from the weights of another run, as far as they fit. The same command goes on where it stopped, and with more
--minutes than before trains longer. What comes out is a bundle: `npx clustseg segment --model ../my-bundle photos`.
docs/train-your-own.md takes you through it.
"""

from __future__ import annotations

import argparse
import json
import re
import shlex
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from clustseg.bundle.card_masks import write_card
from clustseg.bundle.evaluate_masks import PARAMETERS, evaluate_bundle, table
from clustseg.bundle.export_masks import export_run
from clustseg.bundle.runtime import BundleRuntime
from clustseg.bundle.text import BundleText
from clustseg.bundle.tune_masks import tune_run
from clustseg.calibrate import calibrate_run
from clustseg.data.readers.any import read_any
from clustseg.data.samples import DataError, Samples
from clustseg.data.streams import ahead
from clustseg.losses.mask_objective import Batches, MaskObjective, class_weights
from clustseg.model.universal import UniversalClustSeg
from clustseg.training.distributed import World, precision_of
from clustseg.training.evaluate_masks import evaluate_masks
from clustseg.training.masks import trainer_of
from clustseg.training.own_recipe import (
    OWN_FILE,
    Survey,
    add_reader_arguments,
    check,
    images_of,
    in_parts,
    own_recipe,
    pixels_of,
    read_own,
    reader_options,
    scale_of,
    smallest_area,
    survey,
    without_empty,
    write_own,
)
from clustseg.training.recipes import Recipe
from clustseg.training.trainer import Trainer

CACHED = 3_000_000_000
"""Bytes of images that are kept in memory."""
WARMUP = 30
"""Steps until the learning rate is reached: runs of some minutes have a few hundred steps in all."""
ENOUGH = 8
"""With fewer images of val than this, nothing is chosen on them."""
TERMS = "those of the owner of the images"
ASKED = ("images", "stuff", "unlabelled", "drop_empty", "start", "from_scratch", "any_direction", "scale", "batch", "rate", "terms")
"""Options that a run is begun with and keeps. The others may differ each time."""
GRID = {"seed_threshold": (0.1, 0.2, 0.3), "threshold": (0.3, 0.4, 0.5, 0.6), "min_area": (4, 16, 64)}


def parse_arguments(given: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="clustseg.own", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True, help="a folder, CVAT's XML, or a JSON of COCO or Label Studio")
    parser.add_argument("--task", choices=("semantic", "instance", "panoptic"), required=True)
    parser.add_argument("--out", type=Path, required=True, help="folder of the bundle; its name is the model's")
    add_reader_arguments(parser)
    parser.add_argument("--drop-empty", action="store_true", default=None, help="leave out classes of which no pixel is annotated")
    parser.add_argument("--run", type=Path, help="folder of checkpoint and log (default: runs/own-NAME)")
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--iterations", type=int, default=0, help="train so many steps instead of minutes")
    parser.add_argument("--from", dest="start", type=Path, metavar="RUN", help="start from the weights of this run, as far as they fit")
    parser.add_argument("--from-scratch", action="store_true", default=None, help="no ImageNet weights in the encoder")
    parser.add_argument(
        "--any-direction", action=argparse.BooleanOptionalAction, default=None, help="there is no up and down: crops are turned and flipped"
    )
    parser.add_argument(
        "--scale", type=scale_of, help="native: images are seen in their own pixels; or pixels on their long side (default: by their look)"
    )
    parser.add_argument("--batch", type=int, help="crops a step (default: by their size)")
    parser.add_argument("--rate", type=float, help="peak learning rate (default: 0.001)")
    parser.add_argument("--licence", default="not stated", help="of the weights, for model.json and the card")
    parser.add_argument("--terms", help=f"of the data, for model.json and the card (default: {TERMS})")
    parser.add_argument("--device", default="auto", help="auto: CUDA where there is one; or cpu, cuda, cuda:1")
    parser.add_argument("--workers", type=int, default=0, help="processes that crop images ahead, for a GPU that one cannot feed")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--seed", type=int, default=1)
    return parser.parse_args(given)


def open_data(arguments: argparse.Namespace) -> tuple[Samples, Samples]:
    """Training and val."""
    return tuple(read_any(arguments.data, split, arguments.images, **reader_options(arguments)) for split in ("train", "val"))


def device_of(name: str) -> torch.device:
    """Raises DataError where there is no such device."""
    if not re.fullmatch(r"auto|cpu|cuda(:\d+)?", name):
        raise DataError(f"--device {name}: there is no such device; give auto, cpu, cuda, or one such as cuda:1")
    device = torch.device(("cuda" if torch.cuda.is_available() else "cpu") if name == "auto" else name)
    try:
        torch.zeros(1, device=device)
    except (AssertionError, RuntimeError) as error:
        first = str(error).strip().splitlines()[0]
        raise DataError(f"--device {name}: PyTorch cannot use it here ({first}); give cpu, or install PyTorch for your GPU") from error
    return device


def check_out(out: Path) -> None:
    """Raises DataError where writing a bundle to `out` would mix it with something else."""
    known = ("model.json", "model.onnx")
    if out.exists() and not (out.is_dir() and (not any(out.iterdir()) or any((out / name).exists() for name in known))):
        raise DataError(f"--out {out}: is there already and is no bundle; give a folder that is empty or not there yet")


def asked(arguments: argparse.Namespace) -> dict[str, Any]:
    """What own.json says of the options that were given."""
    given = {name: getattr(arguments, name) for name in ASKED}
    return {name: str(value) if isinstance(value, Path) else value for name, value in given.items() if value is not None}


def begun(run: Path) -> bool:
    return (run / OWN_FILE).exists() and (run / "checkpoint.pt").exists()


def as_begun(arguments: argparse.Namespace, run: Path) -> argparse.Namespace:
    """The arguments of a run that goes on: what is not given again is as it was. Raises DataError where the run is of another
    task or other data, or an option is given otherwise than it was."""
    recipe, _ = read_own(run, arguments.data)
    if recipe.config.tasks[0] != arguments.task:
        raise DataError(f"{run} was begun for --task {recipe.config.tasks[0]}; give another --run, or delete it")
    values = json.loads((run / OWN_FILE).read_text())
    images = {} if values["images"] is None else {"images": values["images"]}
    then = values.get("asked", values["options"] | images)
    # Of a run of before, own.json says only how its data are read.
    known = ASKED if "asked" in values else ("images", "stuff", "unlabelled")
    for name, now in asked(arguments).items():
        if name in known and then.get(name) != now:
            raise DataError(
                f"{run} was begun {option(name, then.get(name))}, and is now given {option(name, now)}; "
                "leave that out to go on with it, give another --run, or delete it"
            )
    paths = {name: Path(then[name]) for name in ("images", "start") if name in then}
    return argparse.Namespace(**(vars(arguments) | then | paths))


def option(name: str, value: Any) -> str:
    """An option as it is given, such as `--stuff sky,road`; "without --stuff" where it was not."""
    flag = "--" + {"start": "from"}.get(name, name.replace("_", "-"))
    if value is None:
        return f"without {flag}"
    if isinstance(value, bool):
        return flag if value else flag.replace("--", "--no-", 1)
    return f"{flag} {','.join(value) if isinstance(value, list) else value}"


def without_unused(train: Samples, val: Samples, seen: Survey) -> tuple[Samples, Samples, Survey]:
    """All three without the classes of which no pixel is annotated. Raises DataError where val has some of such a class."""
    unused = seen.pixels == 0
    names = [one["name"] for one, none in zip(train.categories, unused) if none]
    only_val = [one["name"] for one, none, pixels in zip(val.categories, unused, pixels_of(val)) if none and pixels]
    if only_val:
        raise DataError(
            f"of {', '.join(only_val)} all that is annotated lies in images of val, so that nothing teaches it; annotate more of it, "
            "or take the class out of the data set"
        )
    print(f"left out, as nothing is annotated: {', '.join(names)}")
    kept = replace(seen, pixels=seen.pixels[~unused])
    return without_empty(train, seen.pixels), without_empty(val, seen.pixels), kept


def plan(arguments: argparse.Namespace, name: str, run: Path) -> Recipe:
    """The recipe: of the run, if it has begun (see `as_begun`), else by a look at the data, which own.json keeps."""
    if begun(run):
        recipe, _ = read_own(run, arguments.data)
        now, then = images_of(*open_data(arguments)), json.loads((run / OWN_FILE).read_text())
        if now["names"] != then.get("names", now["names"]):
            raise DataError(
                f"{run} was begun with other images ({then['train']} and {then['val']} for val; now {now['train']} and {now['val']}), "
                "and what is val now may have been trained on; give another --run, or delete it"
            )
        print(f"going on with {run}")
        return recipe
    train, val = open_data(arguments)
    whole = images_of(train, val)
    seen = survey(train, val)
    if arguments.drop_empty and (seen.pixels == 0).any():
        train, val, seen = without_unused(train, val, seen)
    check(train, val, seen, arguments.task)
    recipe, scale, tile = own_recipe(
        train,
        seen,
        arguments.task,
        any_direction=arguments.any_direction,
        from_scratch=bool(arguments.from_scratch),
        scale=arguments.scale,
    )
    changed = {name: value for name in ("batch", "rate") if (value := getattr(arguments, name)) is not None}
    recipe = replace(recipe, **changed)
    limits = [
        f"Trained on {len(train)} images; others than such as these are not measured.",
        f"Figures are of the {len(val)} images of val, which were not trained on, but on which "
        f"{'scores were calibrated and thresholds chosen' if len(val) >= ENOUGH else 'scores were calibrated'}.",
    ]
    text = BundleText(
        name=name,
        categories=train.categories,
        data=f"{arguments.data.name}, {len(train)} images",
        terms=(arguments.terms or TERMS).rstrip(".") + ".",
        limits=tuple(limits),
        defaults={"threshold": 0.5, "mask_threshold": 0.0, "overlap_threshold": 0.0, "min_area": smallest_area(seen, scale)},
        scale=scale,
        mask_tile=tile,
    )
    print(describe(train, val, seen, recipe, text))
    about = {
        "data": str(arguments.data),
        "images": None if arguments.images is None else str(arguments.images),
        "options": reader_options(arguments),
        "asked": asked(arguments),
        **whole,
    }
    write_own(run, recipe, text, about)
    return read_own(run)[0]  # whose `read` opens the data set as it was opened here


def describe(train: Samples, val: Samples, seen: Survey, recipe: Recipe, text: BundleText) -> str:
    """What was found and what follows from it."""
    names = ", ".join(f"{one['name']}{'' if one['isthing'] else ' (stuff)'}" for one in train.categories)
    sides = f"{int(np.median(seen.widths))} x {int(np.median(seen.heights))}"
    scale = "seen in their own pixels" if text.scale["mode"] == "native" else f"scaled to {text.scale['long_side']} px on the long side"
    if text.mask_tile is not None:
        scale += f", larger ones in tiles of {text.mask_tile['side']} px"
    lines = [f"{len(train)} images to train on, {len(val)} for val, {sides} px; classes: {names}"]
    if len(seen.sizes) and recipe.config.has_things:
        low, middle, high = np.percentile(seen.sizes, (5, 50, 95))
        lines.append(f"{len(seen.sizes)} things, {middle:.0f} px across ({low:.0f} to {high:.0f}), up to {seen.counts.max()} an image")
    config = recipe.config
    typical, side = int(np.median(seen.long_sides)), text.scale.get("long_side")
    if side is not None and typical > 2 * side:
        scale += f" of {typical} (finer, and slower: --scale {2 * side}, or --scale native for their own pixels)"
    lines.append(f"images are {scale}; {recipe.batch} crops of {recipe.augment.crop[1]} x {recipe.augment.crop[0]} a step")
    seeds = f", seeds at stride {config.seed_stride}" if config.has_things else ""
    lines.append(f"RCA at strides {', '.join(map(str, config.levels))}{seeds}")
    return "\n".join(lines)


def start_from(network: UniversalClustSeg, run: Path) -> tuple[int, int]:
    """Takes over the averaged weights of another run whose names and shapes fit; how many numbers of how many."""
    path = run / "checkpoint.pt"
    if not path.exists():
        raise DataError(f"{path}: there is no such checkpoint; give the folder of a run as --from")
    saved = torch.load(path, map_location="cpu", weights_only=True)["average"]
    own = network.state_dict()
    fitting = {name: value for name, value in saved.items() if name in own and own[name].shape == value.shape}
    network.load_state_dict(fitting, strict=False)
    return sum(value.numel() for value in fitting.values()), sum(value.numel() for value in own.values())


def begin(arguments: argparse.Namespace, recipe: Recipe, run: Path) -> Trainer:
    """The run, at its beginning or where it stopped."""
    network = UniversalClustSeg(recipe.config)
    fresh = not (run / "checkpoint.pt").exists()
    if fresh and not arguments.from_scratch:
        network.encoder.load_imagenet()
    if fresh and arguments.start is not None:
        taken, whole = start_from(network, arguments.start)
        print(f"{taken / 1e6:.2f} of {whole / 1e6:.2f} million weights are those of {arguments.start}")
    device = device_of(arguments.device)
    network = network.to(device, memory_format=torch.channels_last)
    options = {"precision": precision_of("auto", device), "world": World(device=device), "warmup": WARMUP}
    return trainer_of(network, recipe, "own", run, arguments.minutes, arguments.iterations, **options)


def with_reports(loss: Callable[[], tuple[Tensor, dict[str, float]]], trainer: Trainer) -> Callable[[], tuple[Tensor, dict[str, float]]]:
    """Prints a line after the first step, which tells how long a step takes, and then ten times in a run."""
    told = int(trainer.progress * 10)
    began = trainer.step, trainer.seconds
    timed = False
    mean = 0.0

    def reported() -> tuple[Tensor, dict[str, float]]:
        nonlocal told, timed, mean
        if not timed and trainer.step > began[0]:
            timed = True
            each = trainer.seconds - began[1]
            left = each * (trainer.iterations - trainer.step) if trainer.iterations else 60 * trainer.minutes - trainer.seconds
            print(f"{trainer.progress:4.0%}  step {trainer.step:5d}  {each:.1f} s a step, about {left / 60:.1f} min to go", flush=True)
        value, parts = loss()
        mean = mean * 0.9 + value.item() * 0.1 if mean else value.item()
        if int(trainer.progress * 10) > told:
            told = int(trainer.progress * 10)
            print(f"{trainer.progress:4.0%}  step {trainer.step:5d}  {trainer.seconds / 60:5.1f} min  loss {mean:.3f}", flush=True)
        return value, parts

    return reported


def train(arguments: argparse.Namespace, recipe: Recipe, run: Path) -> Samples:
    """Trains to the end; returns val."""
    options = {"long_side": recipe.long_side} if recipe.long_side else {}
    whole = [recipe.read(arguments.data, split, **options, cache=True) for split in ("train", "val")]
    area = recipe.long_side**2 if recipe.long_side else whole[0][0].segments.size
    if 4 * area * sum(map(len, whole)) > CACHED:
        whole = [recipe.read(arguments.data, split, **options) for split in ("train", "val")]
    samples, val = whole
    trainer = begin(arguments, recipe, run)
    seed = arguments.seed + trainer.step  # another one after a resume, or the run would see its first crops again
    torch.manual_seed(seed)
    weights = class_weights(samples, recipe.balance) if "semantic" in recipe.config.tasks else torch.ones(len(recipe.config.things))
    device = trainer.world.device
    objective = MaskObjective(trainer.network, recipe, weights, seed, trainer.world, precision_of("auto", device))
    batches = ahead(lambda worker: Batches(samples, recipe, None, (seed, worker) if worker else seed), arguments.workers)
    if trainer.progress < 1:
        try:
            trainer.fit(
                with_reports(lambda: objective(next(batches).to(device), trainer.progress), trainer),
                lambda: evaluate_masks(trainer.average, recipe, val, limit=recipe.evaluate_images),
            )
        except KeyboardInterrupt:
            trainer.save()
            done = f"step {trainer.step}, {trainer.seconds / 60:.1f} min"
            raise SystemExit(f"\nstopped at {done}; the same command goes on from here, or ends here with a smaller --minutes") from None
    return recipe.read(arguments.data, "val")


def publish(arguments: argparse.Namespace, recipe: Recipe, run: Path, val: Samples) -> dict:
    """Calibrates, chooses thresholds, exports, measures on val, writes the card; returns model.json."""
    tile = read_own(run)[1].mask_tile
    parts = val if tile is None else in_parts(val, tile["side"])
    calibrate_run(run, parts)
    if len(val) >= ENOUGH:
        chosen = tune_run(run, parts, GRID)
        print(", ".join(f"{name} {value:g}" for name, value in chosen["defaults"].items()) + f": best of those tried on {len(val)} images")
    manifest = export_run(run, arguments.out)
    manifest["licence"] = arguments.licence
    if arguments.from_scratch:
        manifest["training"]["terms"] = read_own(run)[1].terms
    tasks = [task for task in (arguments.task, "semantic") if task in recipe.config.tasks]
    runtime = BundleRuntime(arguments.out)
    found = evaluate_bundle(runtime, val, list(dict.fromkeys(tasks)))
    command = ["python", "-m", "clustseg.evaluate", "--bundle", str(arguments.out), "--data", str(arguments.data), "--split", "val"]
    if arguments.images is not None:
        command += ["--images", str(arguments.images)]
    for name, value in reader_options(arguments).items():
        command += [f"--{name}", value if isinstance(value, str) else ",".join(value)]
    evaluation = {
        "data": arguments.data.name,
        "split": "val",
        "parameters": {name: runtime.parameters[name] for name in PARAMETERS},
        "command": shlex.join(command),
        **found,
    }
    write_card(arguments.out, manifest, [evaluation])
    print(table(found["tasks"]))
    return manifest


def main(given: Sequence[str] | None = None) -> None:
    arguments = parse_arguments(given)
    torch.set_num_threads(arguments.threads)
    torch.manual_seed(arguments.seed)
    name = re.sub(r"[^a-z0-9._-]+", "-", arguments.out.resolve().name.lower()).strip("-._") or "own"
    run = arguments.run or Path("runs") / f"own-{name}"
    began = time.monotonic()
    try:
        check_out(arguments.out)
        device_of(arguments.device)
        if begun(run):
            arguments = as_begun(arguments, run)
        recipe = plan(arguments, name, run)
        val = train(arguments, recipe, run)
        manifest = publish(arguments, recipe, run, val)
    except DataError as error:
        raise SystemExit(f"clustseg.own: {error}") from error
    size = sum(file.stat().st_size for file in arguments.out.iterdir()) / 1e6
    print(f"{arguments.out}: {', '.join(manifest['tasks'])}; {size:.1f} MB, after {(time.monotonic() - began) / 60:.1f} minutes")
    print(f"next: npx clustseg segment <images> --model {arguments.out} --task {arguments.task} --overlay")


if __name__ == "__main__":
    main()

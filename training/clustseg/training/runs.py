"""A run's folder: what was trained, and what was chosen for it on val.

    checkpoint.pt     weights, optimizer, clock; names the recipe
    own.json          the recipe itself, of a run on data of one's own (clustseg.own)
    calibration.json  from scores to probabilities (clustseg.calibrate)
    chosen.json       thresholds and the like (clustseg.tune)
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from clustseg.bundle.text import BUNDLES, BundleText
from clustseg.model.infer import SEED_THRESHOLD, Calibration, Chosen
from clustseg.training.own_recipe import OWN_FILE, read_own
from clustseg.training.recipes import RECIPES, Recipe


@dataclass(frozen=True)
class MaskRun:
    """A run of a mask network. `text` has the defaults as chosen; `calibration` is calibration.json as it is, if there is one."""

    folder: Path
    name: str
    step: int
    recipe: Recipe
    text: BundleText
    chosen: Chosen
    calibration: dict | None


def checkpoint_config(folder: Path) -> tuple[dict, int]:
    """What a run's checkpoint says of its network, and its step. Raises SystemExit where there is none."""
    path = folder / "checkpoint.pt"
    if not path.exists():
        raise SystemExit(f"{path}: there is no such checkpoint; give the folder of a run (clustseg.train --run)")
    saved = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
    return saved["config"], saved["step"]


def is_mask_run(folder: Path) -> bool:
    """Only a mask network's configuration says which classes are things."""
    config, _ = checkpoint_config(folder)
    if "trunk" in config:
        raise SystemExit(f"{folder}: are superpixels on the trunk of {config['trunk']}; export that run with --superpixels {folder}")
    return "things" in config.get("network", {})


def read_mask_run(folder: Path) -> MaskRun:
    """Raises SystemExit where what was chosen belongs to another state of the run."""
    config, step = checkpoint_config(folder)
    name = config["recipe"]
    if (folder / OWN_FILE).exists():
        recipe, text = read_own(folder)
    elif name in RECIPES:
        recipe, text = RECIPES[name], BUNDLES[name]
    else:
        raise SystemExit(f"{folder}: is of the recipe {name!r}; bundles are made of {', '.join(sorted(RECIPES))}, and of one's own")
    calibration, values = _of_step(folder / "calibration.json", step), _of_step(folder / "chosen.json", step)
    chosen = Chosen(Calibration() if calibration is None else Calibration.from_dict(calibration["pairs"]))
    if values is not None:
        if values["calibrated"] != (calibration is not None):
            raise SystemExit(f"{folder / 'chosen.json'}: was chosen before clustseg.calibrate; run clustseg.tune again")
        chosen = replace(chosen, seed_threshold=values.get("seed_threshold", SEED_THRESHOLD))
        text = replace(text, defaults=text.defaults | values["defaults"])
    return MaskRun(folder, name, step, recipe, text, chosen, calibration)


def _of_step(path: Path, step: int) -> dict | None:
    if not path.exists():
        return None
    values = json.loads(path.read_text())
    if values["step"] != step:
        made_by = "clustseg.calibrate" if path.name == "calibration.json" else "clustseg.tune"
        raise SystemExit(f"{path}: is of step {values['step']}, the checkpoint of step {step}; run {made_by} again, or delete it")
    return values

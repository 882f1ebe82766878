"""Runs that a run began with: `--begin-with` of clustseg.training.masks takes a run's averaged weights instead of ImageNet's.

What they cost is part of what the weights cost: earlier.json in the run's folder has the steps and minutes of each, by name.
"""

from __future__ import annotations

import json
from pathlib import Path

import torch
from torch import nn

Cost = dict[str, float]


def earlier_of(run: Path) -> dict[str, Cost]:
    """{name: {"steps", "minutes"}} of all runs before this one; none for a run that began with ImageNet weights."""
    path = run / "earlier.json"
    return json.loads(path.read_text()) if path.exists() else {}


def with_itself(run: Path, saved: dict) -> dict[str, Cost]:
    """`earlier_of` and the run itself, whose checkpoint is `saved`."""
    return earlier_of(run) | {run.resolve().name: {"steps": saved["step"], "minutes": saved["seconds"] / 60}}


def note_earlier(run: Path, earlier: dict[str, Cost]) -> None:
    """Writes earlier.json."""
    run.mkdir(parents=True, exist_ok=True)
    (run / "earlier.json").write_text(json.dumps(earlier, indent=1) + "\n")


def begin_with(network: nn.Module, before: Path, run: Path) -> None:
    """Loads the averaged weights of the run `before` and notes it in `run`. Raises RuntimeError where the networks differ."""
    saved = torch.load(before / "checkpoint.pt", map_location="cpu", weights_only=True)
    network.load_state_dict(saved["average"])
    note_earlier(run, with_itself(before, saved))


def total_cost(run: Path, saved: dict) -> Cost:
    """Steps and minutes of a run and of all before it."""
    costs = with_itself(run, saved).values()
    return {name: sum(cost[name] for cost in costs) for name in ("steps", "minutes")}

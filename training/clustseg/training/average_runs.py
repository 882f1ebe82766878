"""Averages the weights of runs that began at the same weights: `python -m clustseg.training.average_runs runs/a runs/b --out runs/ab`.

Ends of fine-tuning lie in one basin, and their mean often generalises better than any of them (Wortsman et al., "Model soups",
ICML 2022). Calibrate the result anew.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from clustseg.training.earlier_runs import note_earlier, with_itself


def averaged(states: Sequence[dict[str, Tensor]]) -> dict[str, Tensor]:
    """The mean of each weight; counters, which are no weights, from the last. Raises ValueError where the networks differ."""
    shapes = [{name: value.shape for name, value in state.items()} for state in states]
    if any(one != shapes[0] for one in shapes):
        raise ValueError("these runs are of different networks")
    return {
        name: torch.stack([state[name] for state in states]).mean(dim=0) if value.is_floating_point() else value
        for name, value in states[-1].items()
    }


def main(given: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("runs", type=Path, nargs="+")
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args(given)
    checkpoints = [torch.load(run / "checkpoint.pt", weights_only=True) for run in arguments.runs]
    result = checkpoints[-1] | {"average": averaged([one["average"] for one in checkpoints])}
    arguments.out.mkdir(parents=True, exist_ok=True)
    torch.save(result, arguments.out / "checkpoint.pt")
    costs = [with_itself(run, saved) for run, saved in zip(arguments.runs[:-1], checkpoints)]
    own = arguments.runs[-1].resolve().name
    together = {name: cost for before in [*costs, with_itself(arguments.runs[-1], result)] for name, cost in before.items()}
    note_earlier(arguments.out, {name: cost for name, cost in together.items() if name != own})
    # The log is the last run's: it says what was learned when.
    (arguments.out / "log.jsonl").write_bytes((arguments.runs[-1] / "log.jsonl").read_bytes())
    print(f"{arguments.out}: the mean of {len(checkpoints)} runs")


if __name__ == "__main__":
    main()

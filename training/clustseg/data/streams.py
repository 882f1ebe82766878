"""Batches that other processes read and crop ahead, for data sets and GPUs that one process could not feed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from torch.utils.data import DataLoader, IterableDataset, get_worker_info


class _Endless(IterableDataset):
    def __init__(self, make: Callable[[int], Iterator[Any]]) -> None:
        self.make = make

    def __iter__(self) -> Iterator[Any]:
        batches = self.make(get_worker_info().id)
        while True:
            yield next(batches)


def _as_it_is(batch: Any) -> Any:
    return batch


def ahead(make: Callable[[int], Any], workers: int) -> Any:
    """Something to call `next` on: the batches of `make(0)`, or of a process each `make(0)`, `make(1)`, … in turn."""
    if workers == 0:
        return make(0)
    # Forked, so that a data set's closures need not be pickled and its tables are shared.
    return iter(
        DataLoader(_Endless(make), batch_size=None, num_workers=workers, collate_fn=_as_it_is, multiprocessing_context="fork")
    )

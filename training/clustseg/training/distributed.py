"""One process or many: who this process is, what it shares with the others, and on which device and in which type it computes.

`torchrun --nproc-per-node 8 -m clustseg.train …` starts a process a GPU; without torchrun a `World` is one process.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

# While the first process measures on val, the others wait.
_PATIENCE = timedelta(hours=2)


@dataclass(frozen=True)
class World:
    """This process among `size` alike; `rank` 0 writes checkpoints and logs."""

    rank: int = 0
    size: int = 1
    device: torch.device = torch.device("cpu")

    @property
    def first(self) -> bool:
        return self.rank == 0

    def gather(self, mine: Tensor) -> Tensor:
        """[n, …] of each process -> [size * n, …], in order of rank; without gradients."""
        if self.size == 1:
            return mine
        parts = [torch.empty_like(mine) for _ in range(self.size)]
        dist.all_gather(parts, mine.contiguous())
        return torch.cat(parts)

    def agreed(self, number: float) -> float:
        """The first process's number."""
        if self.size == 1:
            return number
        told = torch.tensor([number], dtype=torch.float64, device=self.device)
        dist.broadcast(told, 0)
        return told.item()

    def wait(self) -> None:
        """Until all are here."""
        if self.size > 1:
            dist.barrier()


def join_world(device: str = "auto") -> World:
    """This process's World. `device`: "auto" (CUDA where there is one), "cuda", "cpu", or one such as "cuda:1" without torchrun."""
    size = int(os.environ.get("WORLD_SIZE", "1"))
    kind = ("cuda" if torch.cuda.is_available() else "cpu") if device == "auto" else device
    if size == 1:
        return World(device=torch.device(kind))
    local = torch.device("cuda", int(os.environ["LOCAL_RANK"])) if kind == "cuda" else torch.device(kind)
    if local.type == "cuda":
        torch.cuda.set_device(local)
    dist.init_process_group("nccl" if local.type == "cuda" else "gloo", timeout=_PATIENCE)
    return World(dist.get_rank(), dist.get_world_size(), local)


def leave_world() -> None:
    if dist.is_initialized():
        dist.destroy_process_group()


@dataclass(frozen=True)
class Precision:
    """The type that matrix products are computed in; None: that of the weights. `scaled`: gradients need a GradScaler."""

    kind: torch.dtype | None = torch.bfloat16

    @property
    def scaled(self) -> bool:
        return self.kind is torch.float16

    def autocast(self, device: torch.device) -> contextlib.AbstractContextManager:
        return torch.autocast(device.type, dtype=self.kind) if self.kind else contextlib.nullcontext()


def precision_of(name: str, device: torch.device) -> Precision:
    """"bf16", "fp16", "fp32", or "auto": bf16 but on GPUs that do not have it (before Ampere)."""
    kinds = {"bf16": torch.bfloat16, "fp16": torch.float16, "fp32": None}
    if name == "auto":
        slow = device.type == "cuda" and not torch.cuda.is_bf16_supported(including_emulation=False)
        name = "fp16" if slow else "bf16"
    if name not in kinds:
        raise ValueError(f"precision is auto, {', '.join(kinds)}, not {name!r}")
    if name == "fp16" and device.type != "cuda":
        raise ValueError("fp16 is for GPUs; take bf16 or fp32 on a CPU")
    return Precision(kinds[name])


class _Objective(nn.Module):
    """A loss that is a function of a network's parts, as the module that DistributedDataParallel wants."""

    def __init__(self, network: nn.Module, loss_of: Callable[..., Any]) -> None:
        super().__init__()
        self.network, self._loss_of = network, loss_of

    def forward(self, *arguments: Any) -> Any:
        return self._loss_of(*arguments)


def in_parallel(network: nn.Module, loss_of: Callable[..., Any], world: World) -> Callable[..., Any]:
    """`loss_of`, whose backward pass gives every process the mean of all gradients. Of one process: `loss_of` itself.

    Heads that a batch does not need have no gradient in it, so that unused parameters are looked for each time.
    """
    if world.size == 1:
        return loss_of
    ids = [world.device.index] if world.device.type == "cuda" else None
    return DistributedDataParallel(_Objective(network, loss_of), device_ids=ids, find_unused_parameters=True)


def shared_statistics(network: nn.Module, world: World) -> nn.Module:
    """Batch norm over the crops of all processes: those of one are few. (PyTorch has it for GPUs only.)"""
    if world.size == 1 or world.device.type != "cuda":
        return network
    return nn.SyncBatchNorm.convert_sync_batchnorm(network)

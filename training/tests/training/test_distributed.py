"""Several processes train one network; precision, parts of a step, and batches that other processes make."""

import json
import os
import socket
import subprocess
import sys
from contextlib import nullcontext
from pathlib import Path

import pytest
import torch
from paper_cases import write_coco
from torch import nn

from clustseg.data.streams import ahead
from clustseg.train import main
from clustseg.training.distributed import Precision, World, in_parallel, join_world, precision_of, shared_statistics
from clustseg.training.masks import parse_arguments, share_of_batch
from clustseg.training.plan import TrainingPlan, rate_factor
from clustseg.training.trainer import Trainer

TINY = {
    "name": "tiny",
    "task": "panoptic",
    "data": {"reader": "coco-panoptic", "folder": "coco", "classes": {"things": 3, "stuff": 2}},
    "network": {
        "encoder": "efficientnet-lite0", "deepest_stride": 8, "widths": {"8": 16, "4": 16}, "axial": {"8": 1}, "levels": [8, 4],
        "centre_channels": 16, "key_channels": 8, "steps": 2, "similarity": "dot", "m_step": "sum", "residual": "layer",
        "positions": "sine", "start": "pool", "queries": 5, "memory_momentum": 0.999, "memory_first": "seen", "auxiliary": True,
    },
    "augment": {"crop": [48, 64], "scale": [0.5, 1.5]},
    "training": {"rate": 1e-3, "batch": 4, "iterations": 2, "warmup": 0, "points": 100, "precision": "fp32", "cache": False},
    "test": {"short_side": 48, "images": 1},
}  # fmt: skip


def processes(count: int, arguments: list[str]) -> str:
    """What `count` processes print, started as torchrun starts them."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    tests = Path(__file__).parents[1]
    shared = {"WORLD_SIZE": str(count), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port, "OMP_NUM_THREADS": "1"}
    shared |= {"PYTHONPATH": os.pathsep.join([str(tests.parent), str(tests)])}
    started = [
        subprocess.Popen(
            [sys.executable, str(tests / "ddp_worker.py"), *arguments], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            env={**os.environ, **shared, "RANK": str(rank), "LOCAL_RANK": str(rank)},
        )
        for rank in range(count)
    ]  # fmt: skip
    printed = [process.communicate(timeout=300)[0] for process in started]
    assert all(process.returncode == 0 for process in started), "\n".join(printed)
    return "\n".join(printed)


def test_two_processes_keep_one_network_and_one_memory_and_one_goes_on(tmp_path):
    write_coco(tmp_path, things=3, stuff=2)
    config, run = tmp_path / "tiny.json", tmp_path / "run"
    config.write_text(json.dumps(TINY))
    common = ["--config", str(config), "--data", str(tmp_path), "--run-folder", str(run), "--device", "cpu", "--threads", "1"]
    printed = processes(2, [*common, "--from-scratch"])
    assert [f"rank {rank} agrees after 2 steps" in printed for rank in range(2)] == [True, True]
    lines = [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == [2] and "panoptic_pq" in lines[0]["val"]

    # One process goes on where two stopped, without weights for the encoder.
    main([*common, "--iterations", "3", "--evaluate-every", "0"])
    saved = torch.load(run / "checkpoint.pt", weights_only=True)
    assert saved["step"] == 3 and saved["config"]["recipe"] == "tiny"
    lines = [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == [2, 3]


def test_a_files_run_measures_seldom_as_all_but_one_gpu_wait():
    assert parse_arguments(["--config", "a.json", "--run", "a"]).evaluate_every == 120.0
    assert parse_arguments(["--recipe", "street", "--run", "a"]).evaluate_every == 10.0
    assert parse_arguments(["--config", "a.json", "--run", "a", "--evaluate-every", "0"]).evaluate_every == 0.0


def test_the_run_of_a_file_has_its_name():
    assert parse_arguments(["--config", "configs/a.json"]).run == Path("runs/a")
    assert parse_arguments(["--config", "configs/a.json", "--run", "b"]).run == Path("b")


def test_a_batch_is_shared_evenly_or_refused():
    assert share_of_batch(16, World(0, 8), 1) == 2
    assert share_of_batch(16, World(), 4) == 4
    with pytest.raises(SystemExit, match="a batch of 16 cannot be shared by 3 processes"):
        share_of_batch(16, World(0, 3), 1)


def test_one_process_is_a_world_of_its_own():
    world = join_world("cpu")
    assert world == World() and world.first
    tensor = torch.arange(3)
    assert world.gather(tensor) is tensor and world.agreed(2.5) == 2.5

    def loss_of():
        return None

    assert in_parallel(nn.Linear(1, 1), loss_of, world) is loss_of
    network = nn.BatchNorm2d(3)
    assert shared_statistics(network, world) is network
    assert isinstance(shared_statistics(network, World(0, 2, torch.device("cuda", 0))), nn.SyncBatchNorm)


def test_precision_is_what_the_device_has():
    cpu, cuda = torch.device("cpu"), torch.device("cuda")
    assert precision_of("auto", cpu) == Precision(torch.bfloat16) and not Precision().scaled
    assert precision_of("fp16", cuda).scaled and precision_of("fp32", cpu).kind is None
    with pytest.raises(ValueError, match="fp16 is for GPUs"):
        precision_of("fp16", cpu)
    with pytest.raises(ValueError, match="not 'fp8'"):
        precision_of("fp8", cpu)
    x, w = torch.ones(2, 2), torch.ones(2, 2)
    with precision_of("bf16", cpu).autocast(cpu):
        assert (x @ w).dtype == torch.bfloat16
    with precision_of("fp32", cpu).autocast(cpu):
        assert (x @ w).dtype == torch.float32


def trainer_at(run: Path, **options) -> tuple[Trainer, nn.Module]:
    torch.manual_seed(0)
    network = nn.Linear(3, 1)
    return Trainer(network, {}, [(list(network.parameters()), 1.0)], run, 1e-2, 1.0, 4, **options), network


def test_a_step_in_parts_is_the_step_of_the_whole(tmp_path):
    x = torch.randn(4, 3, generator=torch.Generator().manual_seed(0))
    whole, first = trainer_at(tmp_path / "whole")
    parted, second = trainer_at(tmp_path / "parts", parts=2)
    alone = []
    parted.alone = lambda: alone.append(1) or nullcontext()
    halves = iter([x[:2], x[2:]] * 2)
    for _ in range(2):
        whole.train_step(lambda: (first(x).square().mean(), {}))
        parted.train_step(lambda: (second(next(halves)).square().mean(), {}))
    torch.testing.assert_close(first.weight, second.weight)
    assert len(alone) == 2  # gradients are exchanged by the last part of a step only


def test_a_dry_run_writes_nothing(tmp_path, capsys):
    trainer, network = trainer_at(tmp_path / "run", keep=False)
    trainer.fit(lambda: (network(torch.ones(1, 3)).sum(), {}), lambda: {"score": 1.0})
    assert not (tmp_path / "run").exists()
    assert '"val": {"score": 1.0}' in capsys.readouterr().out


def test_the_average_without_decay_is_the_weights(tmp_path):
    trainer, network = trainer_at(tmp_path, ema=0.0)
    trainer.train_step(lambda: (network(torch.ones(1, 3)).sum(), {}))
    assert torch.equal(trainer.average.weight, network.weight)


def test_schedules():
    assert [rate_factor("steps", at) for at in (0.0, 0.89, 0.92, 0.97)] == [1.0, 1.0, 0.1, 0.01]
    assert rate_factor("poly", 0.5) == pytest.approx(0.5**0.9) and rate_factor("poly", 1.0) == 0.0
    assert rate_factor("cosine", 0.0) == 1.0 and rate_factor("cosine", 1.0) == pytest.approx(0.01)
    assert rate_factor("constant", 0.7) == 1.0
    with pytest.raises(ValueError, match="no schedule 'linear'"):
        TrainingPlan(schedule="linear")


def test_epochs_are_iterations_of_the_batch():
    assert TrainingPlan(epochs=50).steps(118_287, 16) == 369_647
    assert TrainingPlan(iterations=300_000, epochs=2).steps(200, 128) == 300_000
    assert TrainingPlan().steps(200, 4) == 0


class Counting:
    def __init__(self, worker: int) -> None:
        self.worker, self.next = worker, 0

    def __next__(self) -> tuple[int, int]:
        self.next += 1
        return self.worker, self.next


def test_batches_come_from_all_workers_in_turn():
    assert [next(batches) for batches in [ahead(Counting, 0)] * 2] == [(0, 1), (0, 2)]
    stream = ahead(Counting, 2)
    assert [next(stream) for _ in range(4)] == [(0, 1), (1, 1), (0, 2), (1, 2)]

"""What each process of the distributed test runs: a training of two steps, after which all processes must agree.

    RANK=… WORLD_SIZE=2 MASTER_ADDR=… MASTER_PORT=… python ddp_worker.py <arguments of clustseg.train>
"""

import sys

import torch
from torch import nn

from clustseg import train
from clustseg.training import masks as train_masks
from clustseg.training.distributed import World, in_parallel
from clustseg.training.trainer import Trainer


def gradients_are_means(world: World) -> None:
    line = nn.Linear(2, 1, bias=False)
    loss_of = in_parallel(line, lambda x: (line(x).sum(), {}), world)
    loss_of(torch.tensor([1.0, 10.0]) * (world.rank + 1))[0].backward()
    torch.testing.assert_close(line.weight.grad, torch.tensor([[1.5, 15.0]]))
    with loss_of.no_sync():
        line.zero_grad()
        loss_of(torch.tensor([1.0, 10.0]) * (world.rank + 1))[0].backward()
    torch.testing.assert_close(line.weight.grad, torch.tensor([[1.0, 10.0]]) * (world.rank + 1))


class AgreeingTrainer(Trainer):
    def fit(self, *arguments, **options) -> None:
        world = self.world
        assert world.size == 2 and world.agreed(world.rank + 5.0) == 5.0
        assert world.gather(torch.tensor([world.rank])).tolist() == [0, 1]
        gradients_are_means(world)
        before = {name: value.clone() for name, value in self.network.state_dict().items()}
        super().fit(*arguments, **options)
        after = self.network.state_dict()
        # Batch norm's statistics are each process's own without CUDA; the first one's are saved.
        names = [name for name in after if "running_" not in name and "num_batches" not in name]
        mine = torch.cat([after[name].flatten().double() for name in names])
        both = world.gather(mine[None])
        assert torch.equal(both[0], both[1]), "the processes have different weights or memories"
        for name in ("memory.queue", "memory.next_slot", "layers.0.query.weight", "encoder._conv_stem.weight"):
            assert not torch.equal(before[name], after[name]), f"{name} did not change"
        print(f"rank {world.rank} agrees after {self.step} steps")


if __name__ == "__main__":
    torch.set_num_threads(1)
    train_masks.Trainer = AgreeingTrainer
    train.main(sys.argv[1:])

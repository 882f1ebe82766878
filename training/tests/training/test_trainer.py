"""A run: its average, its clock and rate, going on where it stopped; and that the mask objective learns."""

import json
import math

import numpy as np
import pytest
import torch
from mask_cases import CATEGORIES, scene, scenes, tiny_config, tiny_network, tiny_recipe
from torch import nn

from clustseg.data.samples import Samples, labelled_image
from clustseg.losses.mask_objective import Batches, MaskObjective, class_weights
from clustseg.training.masks import trainer_of
from clustseg.training.trainer import Trainer


def line(seed: int = 0) -> nn.Module:
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Linear(4, 1))


def trainer_at(run, iterations: int = 8, config=None, minutes: float = 1.0, **options) -> Trainer:
    network = line()
    first, rest = list(network[0].parameters()), list(network[1:].parameters())
    return Trainer(network, config or {"width": 4}, [(first, 0.25), (rest, 1.0)], run, 1e-2, minutes, iterations, **options)


def loss_of(trainer: Trainer):
    """A batch that depends on the step only, so that a run that went on sees what one in a piece does."""

    def loss():
        random = torch.Generator().manual_seed(trainer.step)
        x = torch.randn(16, 3, generator=random)
        error = (trainer.network(x)[:, 0] - x.sum(1)).square().mean()
        return error, {"error": error.item()}

    return loss


def state(trainer: Trainer) -> list[torch.Tensor]:
    return [*trainer.network.state_dict().values(), *trainer.average.state_dict().values()]


def test_a_resumed_run_goes_on_at_the_same_step_rate_and_weights(tmp_path):
    whole = trainer_at(tmp_path / "whole")
    rates = [whole.train_step(loss_of(whole))["rate"] for _ in range(8)]

    first = trainer_at(tmp_path / "parts")
    for _ in range(3):
        first.train_step(loss_of(first))
    first.save()
    second = trainer_at(tmp_path / "parts")
    assert second.step == 3 and second.seconds == first.seconds and second.progress == 3 / 8
    again = [second.train_step(loss_of(second))["rate"] for _ in range(5)]

    assert again == rates[3:]
    for got, wanted in zip(state(second), state(whole), strict=True):
        torch.testing.assert_close(got, wanted, rtol=0, atol=0)


def test_a_checkpoint_of_another_configuration_is_refused(tmp_path):
    trainer_at(tmp_path).save()
    with pytest.raises(SystemExit, match="another configuration"):
        trainer_at(tmp_path, config={"width": 5})
    assert trainer_at(tmp_path, config={"width": 4}).step == 0


def test_configurations_are_compared_as_json_has_them(tmp_path):
    trainer_at(tmp_path, config={"levels": (8, 4), "widths": {8: 3}}).save()
    assert trainer_at(tmp_path, config={"levels": [8, 4], "widths": {"8": 3}}).step == 0


def test_the_average_follows_the_weights_with_its_decay(tmp_path):
    trainer = trainer_at(tmp_path, ema=0.5)
    mean = trainer.network[0].weight.detach().clone()
    for step in range(6):
        trainer.train_step(loss_of(trainer))
        decay = min(0.5, (1 + step) / (10 + step))
        mean = mean * decay + trainer.network[0].weight.detach() * (1 - decay)
        torch.testing.assert_close(trainer.average[0].weight, mean)
    assert torch.equal(trainer.average[1].num_batches_tracked, trainer.network[1].num_batches_tracked)
    assert not trainer.average.training and not trainer.average[0].weight.requires_grad


def test_the_rate_warms_up_and_falls_as_a_cosine_and_groups_have_a_part_of_it(tmp_path):
    trainer = trainer_at(tmp_path, iterations=400)
    rates = []
    for step in (0, 49, 99, 200, 399):
        trainer.step = step
        rates.append(trainer._set_rate())
        encoder, others = trainer.optimizer.param_groups
        assert encoder["lr"] == pytest.approx(0.25 * others["lr"]) and others["lr"] == pytest.approx(rates[-1])

    def wanted(step: int) -> float:
        return 1e-2 * min(1, (step + 1) / 100) * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * step / 400)))

    assert rates == pytest.approx([wanted(step) for step in (0, 49, 99, 200, 399)])


def test_minutes_are_those_of_training(tmp_path):
    trainer = trainer_at(tmp_path, iterations=0, minutes=2.0)
    assert trainer.progress == 0
    trainer.seconds = 30.0
    assert trainer.progress == 0.25
    trainer.seconds = 600.0
    assert trainer.progress == 1.0


def test_minutes_that_are_over_after_the_first_step_end_there(tmp_path):
    trainer = trainer_at(tmp_path, iterations=0, minutes=1e-9)
    trainer.fit(loss_of(trainer))
    assert trainer.step == 1
    assert torch.load(tmp_path / "checkpoint.pt", weights_only=True)["step"] == 1


def test_fit_trains_to_the_end_and_logs(tmp_path):
    trainer = trainer_at(tmp_path, iterations=100)
    trainer.fit(loss_of(trainer), lambda: {"score": 0.5})
    lines = [json.loads(text) for text in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert [one["step"] for one in lines] == [50, 100, 100]
    assert {"loss", "error", "rate", "gradient_norm"} <= set(lines[0])
    assert lines[1]["loss"] < lines[0]["loss"]
    assert lines[-1]["val"] == {"score": 0.5}
    assert torch.load(tmp_path / "checkpoint.pt", weights_only=True)["step"] == 100
    trainer_at(tmp_path, iterations=100).fit(loss_of(trainer))  # done: nothing is left to do
    assert trainer_at(tmp_path, iterations=100).step == 100


@pytest.mark.parametrize(
    "changes",
    [{}, {"things": (False,) * 4, "tasks": ("semantic",)}, {"tasks": ("instance", "panoptic")}],
    ids=["all tasks", "semantic", "things"],
)
def test_some_steps_lower_the_loss_of_each_kind_of_network(tmp_path, changes):
    recipe = tiny_recipe(tiny_config(**changes), frozen_stride=2, rate=3e-3)
    network = tiny_network(recipe.config).train()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    samples = scenes(3)
    trainer = trainer_of(network, recipe, "tiny", tmp_path, 1, 1000)
    trainer.step = 100  # warm already
    objective = MaskObjective(network, recipe, torch.ones(4), seed=0)
    batches = Batches(samples, recipe, None, seed=0)
    batch = next(batches)
    losses = [trainer.train_step(lambda: objective(batch, 0.0))["loss"] for _ in range(10)]
    assert np.mean(losses[-2:]) < 0.8 * losses[0]
    after = network.state_dict()
    assert torch.equal(after["encoder._conv_stem.weight"], before["encoder._conv_stem.weight"])  # frozen
    assert not torch.equal(after["encoder._blocks.3._project_conv.weight"], before["encoder._blocks.3._project_conv.weight"])
    assert not torch.equal(after["memory.queue"], before["memory.queue"])
    assert not torch.equal(after["memory.ffn.0.weight"], before["memory.ffn.0.weight"])


def test_the_objective_names_its_parts():
    recipe = tiny_recipe()
    network = tiny_network().train()
    loss, parts = MaskObjective(network, recipe, torch.ones(4), 0)(next(Batches(scenes(2), recipe, None, 0)), 1.0)
    assert torch.isfinite(loss)
    wanted = {"semantic_entropy", "semantic_dice", "entropy", "dice", "centre_map", "offsets", "classes", "seeds"}
    assert set(parts) == wanted and all(math.isfinite(value) for value in parts.values())


def test_images_without_things_or_without_annotation_can_be_learnt_from():
    image = np.zeros((64, 64, 3), np.uint8)
    only_stuff = labelled_image("stuff", image, np.zeros((64, 64)), [0])
    nothing = labelled_image("void", image, np.full((64, 64), -1), [])
    samples = Samples(CATEGORIES, ["stuff", "void"], [only_stuff, nothing].__getitem__)
    recipe = tiny_recipe(batch=6)
    loss, parts = MaskObjective(tiny_network().train(), recipe, torch.ones(4), 0)(next(Batches(samples, recipe, None, 0)), 1.0)
    loss.backward()
    assert torch.isfinite(loss)


def test_batches_draw_images_as_often_as_they_are_told():
    recipe = tiny_recipe(batch=4)
    seen = []
    samples = Samples(CATEGORIES, ["a", "b"], lambda index: seen.append(index) or scene(index))
    batches = Batches(samples, recipe, [0.0, 1.0], 0)
    batch = next(batches)
    assert set(seen) == {1}
    assert batch.image.shape == (4, 3, 64, 64) and len(batch.targets) == 4


def test_rare_classes_weigh_more():
    segments = np.zeros((10, 10))
    segments[0] = 1  # a tenth
    sample = labelled_image("one", np.zeros((10, 10, 3), np.uint8), segments, [0, 2])
    weights = class_weights(Samples(CATEGORIES, ["one"], lambda index: sample), 0.5)
    assert weights[2] / weights[0] == pytest.approx(3.0)
    assert float(0.9 * weights[0] + 0.1 * weights[2]) == pytest.approx(1.0, abs=1e-4)
    assert weights[1] / weights[0] == pytest.approx(10.0)  # not there: as much as there may be

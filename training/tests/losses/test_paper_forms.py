"""The paper's forms: the sum as M-step, the residual once a layer, seeds without places, Hungarian matching, and their losses."""

import itertools
import json
import math

import numpy as np
import pytest
import torch
from mask_cases import CATEGORIES, blobs, scenes, tiny_config, tiny_network, tiny_recipe
from torch import nn

from clustseg.data.samples import Samples, labelled_image
from clustseg.losses.mask_objective import Batches
from clustseg.losses.paper import (
    PaperLossWeights,
    hungarian,
    instance_discrimination,
    mask_terms,
    matching_cost,
    pq_loss,
    stuff_entropy,
)
from clustseg.losses.paper_objective import HungarianObjective
from clustseg.model.infer import MaskInference
from clustseg.model.network import SuperpixelConfig
from clustseg.model.positions import sine_positions
from clustseg.model.rca import Centres, FullNeighbourhood, RecurrentCrossAttention, e_step
from clustseg.model.starts import ClassMemoryStart
from clustseg.model.universal import UniversalClustSeg, UniversalConfig
from clustseg.training.evaluate_masks import graph_of

PAPER = {
    "start": "pool", "queries": 6, "similarity": "dot", "m_step": "sum", "residual": "layer", "positions": "sine",
    "memory_momentum": 0.999, "memory_first": "seen", "auxiliary": True, "levels": (16, 16, 8, 8, 4), "tasks": ("panoptic",),
}  # fmt: skip


def paper_config(**changes) -> UniversalConfig:
    return tiny_config(**{**PAPER, **changes})


def paper_network(config: UniversalConfig) -> UniversalClustSeg:
    torch.manual_seed(0)
    return UniversalClustSeg(config).eval()


@pytest.fixture(scope="module")
def network():
    return paper_network(paper_config())


def test_the_papers_layer_equals_its_equations():
    torch.manual_seed(0)
    layer = RecurrentCrossAttention(7, 5, 6, steps=2, similarity="dot", m_step="sum").double()
    nn.init.normal_(layer.norm.weight), nn.init.normal_(layer.settle.bias)
    plane = torch.cat([torch.randn(2, 8, 30), torch.ones(2, 1, 30)], dim=1).double()
    nothing = torch.zeros(2, 4, 1).double()
    centres = Centres(torch.randn(2, 4, 7).double(), nothing.expand(-1, -1, 2), nothing, nothing)
    got, scores = layer(centres, plane, FullNeighbourhood())

    x = plane[:, :5].transpose(1, 2)
    key, value, current = layer.key(x), layer.value(x), centres.features
    for step in range(2):
        assignment = (layer.query(layer.norm(current)) @ key.transpose(1, 2)).softmax(dim=1)
        torch.testing.assert_close(e_step(scores[step]), assignment)
        current = assignment @ value
    torch.testing.assert_close(got.features, layer.settle(centres.features + current))


def test_the_mean_and_the_sum_differ_by_the_mass():
    torch.manual_seed(0)
    layers = [RecurrentCrossAttention(7, 5, 6, m_step=how).double() for how in ("mean", "sum")]
    layers[1].value.load_state_dict(layers[0].value.state_dict())
    plane = torch.cat([torch.randn(1, 8, 30), torch.ones(1, 1, 30)], dim=1).double()
    assignment = torch.rand(1, 4, 30).double()
    (mean, middle), (total, place) = (layer.collect(assignment, plane, FullNeighbourhood()) for layer in layers)
    torch.testing.assert_close(total, mean * assignment.sum(-1, keepdim=True))
    torch.testing.assert_close(place, middle)


def test_options_that_do_not_exist_are_refused():
    with pytest.raises(ValueError, match="m_step"):
        RecurrentCrossAttention(7, 5, 6, m_step="median")
    with pytest.raises(ValueError, match="m_step"):
        RecurrentCrossAttention(7, 5, 6, m_step="sum", attention="vanilla")
    with pytest.raises(ValueError, match="residual is one of step, layer, not 'twice'"):
        tiny_config(residual="twice")
    with pytest.raises(ValueError, match="they need positions 'offsets'"):
        tiny_config(positions="sine")
    with pytest.raises(ValueError, match="first is"):
        ClassMemoryStart(2, 3, 4, first="last")


def test_configurations_without_the_papers_forms_are_stored_as_before():
    later = {"m_step", "residual", "positions", "memory_momentum", "memory_size", "memory_first", "auxiliary"}
    stored = tiny_config().to_dict()
    assert not later & set(stored)
    assert UniversalConfig.from_dict(json.loads(json.dumps(stored))) == tiny_config()
    config = paper_config()
    assert {"m_step", "residual", "positions", "memory_momentum", "auxiliary"} <= set(config.to_dict())
    assert UniversalConfig.from_dict(json.loads(json.dumps(config.to_dict()))) == config
    assert "m_step" not in SuperpixelConfig().to_dict()
    assert SuperpixelConfig.from_dict(SuperpixelConfig(m_step="sum").to_dict()).m_step == "sum"


def test_positions_are_distinct_and_alike_on_all_levels():
    fine, coarse = (sine_positions(torch.zeros(1, 16, side, 2 * side, dtype=torch.float64))[0] for side in (8, 4))
    flat = fine.flatten(1).t()
    apart = torch.cdist(flat, flat) + torch.eye(len(flat))
    assert apart.min() > 0.05
    # The middle of four fine pixels is a coarse one's: in between, the waves of low frequency are nearly straight.
    torch.testing.assert_close(nn.functional.avg_pool2d(fine, 2)[2:4], coarse[2:4], atol=0.02, rtol=0)
    with pytest.raises(ValueError, match="multiple of four"):
        sine_positions(torch.zeros(1, 6, 2, 2))


def test_a_memory_of_high_momentum_begins_with_what_it_first_sees():
    torch.manual_seed(0)
    memory = ClassMemoryStart(3, 4, 6, size=5, momentum=0.999, first="seen")
    before = memory.queue.clone()
    seen = torch.tensor([[4.0, 0, 0, 0], [2.0, 0, 0, 0], [1.0, 1, 1, 1]])
    memory.remember(seen, torch.tensor([1, 1, -1]))
    assert torch.equal(memory.queue[1], torch.tensor([3.0, 0, 0, 0]).expand(5, -1))
    assert torch.equal(memory.queue[[0, 2]], before[[0, 2]]) and memory.next_slot.tolist() == [-1, 0, -1]
    memory.remember(seen[2:], torch.tensor([1]))
    torch.testing.assert_close(memory.queue[1, 0], torch.tensor([2.998, 0.001, 0.001, 0.001]))
    assert memory.next_slot.tolist() == [-1, 1, -1]


def test_k_seeds_emerge_from_the_image_and_have_no_place(network):
    torch.manual_seed(1)
    with torch.no_grad():
        pixels = network.see(torch.rand(2, 3, 64, 96) * 255)
        centres = network.scene_centres(pixels)
    assert pixels.centre_map is None and pixels.offsets is None
    assert centres.features.shape == (2, 6, 16)
    assert not torch.allclose(centres.features[0], centres.features[1])
    assert (centres.tightness == 0).all() and (centres.prior == 0).all()


def test_pixels_of_the_same_look_differ_by_where_they_are(network):
    flat = torch.full((1, 3, 64, 64), 90.0)
    with torch.no_grad():
        plane = network.see(flat).features[4][0].flatten(1).t()
    middle = plane.reshape(16, 16, -1)[4:12, 4:12].reshape(64, -1)
    assert (torch.cdist(middle, middle) + torch.eye(64)).min() > 0.05


def test_scores_of_the_papers_form_are_dot_products_alone(network):
    torch.manual_seed(1)
    with torch.no_grad():
        pixels = network.see(torch.rand(1, 3, 64, 64) * 255)
        centres = network.class_centres(1)
        hidden = torch.zeros(1, 4, dtype=torch.bool)
        step = network.cluster(pixels, centres, hidden, 4).steps[0]
        layer = network.layers[0]
        wanted = torch.einsum(
            "nkd,ndhw->nkhw", layer.query(layer.norm(centres.features)) @ layer.key.weight, pixels.features[16]
        )
    torch.testing.assert_close(step.scores(), wanted, atol=1e-4, rtol=1e-4)


def test_six_layers_of_three_steps_and_one_more_are_all_handed_out():
    network = paper_network(paper_config(levels=(16, 16, 8, 8, 8, 8, 4), steps=3))
    with torch.no_grad():
        pixels = network.see(torch.rand(1, 3, 32, 32) * 255)
        result = network.cluster(pixels, network.scene_centres(pixels), torch.zeros(1, 6, dtype=torch.bool), 0)
    assert [step.stride for step in result.steps] == [16] * 6 + [8] * 12 + [4]
    assert result.classes.shape == (1, 6, 3)


@pytest.mark.parametrize("start", ["pool", "free"])
def test_each_pixel_has_one_winner_and_no_cluster_a_seed(start):
    network = paper_network(paper_config(start=start))
    image = torch.from_numpy(blobs(50, 70, seed=1))
    with torch.no_grad():
        found = MaskInference(network, "panoptic").eval()(image, torch.zeros(1), torch.zeros(1))
    assert found.labels.shape == (1, 50, 70) and found.labels.min() >= 0 and found.labels.max() < 8
    assert found.class_id.shape == found.score.shape == (1, 8) and found.seeds.shape == (1, 8, 2)
    assert (found.seeds == -1).all()


def test_seeds_without_places_also_go_with_the_small_networks_positions():
    network = tiny_network(tiny_config(start="pool", queries=5))
    with torch.no_grad():
        pixels = network.see(torch.rand(1, 3, 32, 32) * 255)
        centres = network.scene_centres(pixels)
        steps = network.cluster(pixels, centres, torch.zeros(1, 5, dtype=torch.bool), 0).steps
    assert pixels.offsets is not None and steps[-1].scores().isfinite().all()


@pytest.mark.parametrize("matching", ["pq", "mask"])
def test_matching_is_the_cheapest_of_all(matching):
    random = torch.Generator().manual_seed(0)
    weights = PaperLossWeights(matching=matching, classes=2.0, entropy=5.0, dice=2.0)
    for _ in range(5):
        shares = torch.rand(4, 40, generator=random).softmax(0)
        chances = torch.rand(4, 3, generator=random)
        truth = torch.nn.functional.one_hot(torch.randint(4, (40,), generator=random), 4)[:, :3].t().float()
        owner = hungarian(shares, chances, truth, weights)
        cost = matching_cost(shares, chances, truth, weights)
        assert sorted(owner.tolist()) == [-1, 0, 1, 2]
        paid = sum(cost[seed, object_] for seed, object_ in enumerate(owner.tolist()) if object_ >= 0)
        cheapest = min(sum(cost[seed, place] for place, seed in enumerate(order)) for order in itertools.permutations(range(4), 3))
        assert paid == pytest.approx(float(cheapest), abs=1e-5)


def test_matching_has_more_objects_than_seeds_and_none_at_all():
    weights, shares = PaperLossWeights(), torch.rand(2, 9)
    assert hungarian(shares, torch.rand(2, 0), torch.zeros(0, 9), weights).tolist() == [-1, -1]
    assert sorted(hungarian(shares, torch.rand(2, 5), torch.rand(5, 9).round(), weights).tolist())[0] >= 0
    assert hungarian(torch.rand(2, 0), torch.rand(2, 1), torch.zeros(1, 0), PaperLossWeights(matching="mask")).max() == 0


def test_costs_are_those_of_the_definitions():
    shares, chances = torch.tensor([[0.9, 0.8, 0.1]]), torch.tensor([[0.6]])
    truth = torch.tensor([[1.0, 1.0, 0.0]])
    dice = (2 * 1.7 + 1) / (1.8 + 2 + 1)
    assert matching_cost(shares, chances, truth, PaperLossWeights()).item() == pytest.approx(-0.6 * dice)
    entropy = -(math.log(0.9) + math.log(0.8) + math.log(0.9)) / 3
    weights = PaperLossWeights(matching="mask", classes=2.0, entropy=5.0, dice=2.0)
    assert matching_cost(shares, chances, truth, weights).item() == pytest.approx(-2 * 0.6 + 5 * entropy + 2 * (1 - dice), abs=1e-5)


def scores_of(shares: list[list[float]]) -> torch.Tensor:
    return torch.tensor([shares]).log()


def test_mask_terms_are_of_the_chosen_clusters_and_the_known_pixels():
    logits = scores_of([[0.7, 0.2, 0.5], [0.2, 0.7, 0.3], [0.1, 0.1, 0.2]])
    targets = torch.tensor([[0, 1, -1]])
    entropy, dice = mask_terms(logits, targets, torch.tensor([[True, False, False]]))
    assert entropy.item() == pytest.approx(-(math.log(0.7) + math.log(0.8)) / 2, abs=1e-5)
    assert dice.item() == pytest.approx(1 - (2 * 0.7 + 1) / (0.9 + 1 + 1), abs=1e-5)
    nothing = mask_terms(logits, targets, torch.zeros(1, 3, dtype=torch.bool))
    assert [term.item() for term in nothing] == [0.0, 0.0]
    of_stuff = stuff_entropy(logits, targets, stuff=1)
    assert of_stuff.item() == pytest.approx(-math.log(0.7), abs=1e-5)
    assert stuff_entropy(logits, torch.full((1, 3), -1), 1).item() == 0.0


def test_the_pq_loss_weighs_class_and_mask_by_each_other():
    logits = scores_of([[0.7, 0.2], [0.2, 0.7], [0.1, 0.1]])
    targets = torch.tensor([[0, 1]])
    classes = torch.tensor([[[0.5, 0.3, 0.2], [0.1, 0.1, 0.8]]]).log()
    loss = pq_loss(logits, targets, classes, torch.tensor([[1, 2]]), stuff=1)
    of_stuff = (2 * 0.7 + 1) / (0.9 + 1 + 1)
    dice = (2 * 0.7 + 1) / (0.9 + 1 + 1)
    positive = (0.3 * (1 - dice) - dice * math.log(0.3) + (1 - of_stuff)) / 2
    assert loss.item() == pytest.approx(0.75 * positive - 0.25 * math.log(0.8), abs=1e-5)
    nobody = pq_loss(logits, torch.full((1, 2), -1), classes, torch.tensor([[2, 2]]), stuff=1)
    assert nobody.item() == pytest.approx(-0.25 * (math.log(0.2) + math.log(0.8)) / 2, abs=1e-5)


def test_discrimination_is_lower_where_objects_point_apart():
    targets = torch.tensor([[0, 0, 1, 1, -1]])
    apart = torch.tensor([[[1.0, 2, 0, 0, 9], [0.0, 0, 3, 1, 9]]])
    alike = torch.ones(1, 2, 5)
    assert instance_discrimination(alike, targets).item() == pytest.approx(math.log(2), abs=1e-5)
    wanted = -math.log(math.exp(1 / 0.3) / (math.exp(1 / 0.3) + 1))
    assert instance_discrimination(apart, targets).item() == pytest.approx(wanted, abs=1e-5)
    assert instance_discrimination(apart, torch.full((1, 5), -1)).item() == 0.0


INSTANCE = PaperLossWeights(thing=1.0, stuff=1.0, auxiliary=0.0, entropy=5.0, dice=2.0, classes=2.0, matching="mask")


def paper_recipe(config: UniversalConfig, weights: PaperLossWeights):
    recipe = tiny_recipe(config, points=300)
    object.__setattr__(recipe, "paper_weights", weights)
    return recipe


@pytest.mark.parametrize(
    ("changes", "weights"),
    [({}, PaperLossWeights()), ({"tasks": ("instance",), "auxiliary": False}, INSTANCE), ({"start": "free"}, INSTANCE)],
    ids=["panoptic", "instance", "free"],
)
def test_some_steps_lower_the_papers_losses(changes, weights):
    recipe = paper_recipe(paper_config(**changes), weights)
    network = paper_network(recipe.config).train()
    objective = HungarianObjective(network, recipe, torch.ones(4), 0)
    batch = next(Batches(scenes(2), recipe, None, 0))
    optimizer = torch.optim.AdamW(network.parameters(), 3e-3)
    losses = []
    for _ in range(8):
        torch.manual_seed(0)
        loss, parts = objective(batch, 0.0)
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.85 * losses[0]
    assert all(math.isfinite(value) for value in parts.values())
    names = {"thing_entropy", "thing_dice", "stuff_entropy", "stuff_dice", "matched"}
    extra = {"pq", "mask_id", "discrimination", "semantic"} if weights.auxiliary else {"classes"}
    assert set(parts) == names | extra
    assert 0 < parts["matched"] <= 6


def test_images_without_things_or_without_annotation_can_be_learnt_from():
    image = np.zeros((64, 64, 3), np.uint8)
    only_stuff = labelled_image("stuff", image, np.zeros((64, 64)), [0])
    nothing = labelled_image("void", image, np.full((64, 64), -1), [])
    samples = Samples(CATEGORIES, ["stuff", "void"], [only_stuff, nothing].__getitem__)
    for weights in (PaperLossWeights(), INSTANCE):
        recipe = paper_recipe(paper_config(), weights)
        network = paper_network(recipe.config).train()
        for image_index in (0, 1):
            one = samples[image_index : image_index + 1]
            loss, _ = HungarianObjective(network, recipe, torch.ones(4), 0)(next(Batches(one, recipe, None, 0)), 1.0)
            loss.backward()
            assert torch.isfinite(loss)


def test_the_graph_in_pytorch_answers_panoptic_from_k_seeds(network):
    labels, class_id, score = graph_of(network, tiny_recipe(network.config), threshold=0.0)(blobs(40, 48, 3)[0], "panoptic")
    assert labels.shape == (40, 48) and len(class_id) == len(score) == 8

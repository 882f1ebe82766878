"""The network of the mask tasks: starts, class memory, positions, E-steps and what one winner a pixel is made of."""

import pytest
import torch
import torch.nn.functional as F
from mask_cases import blobs, tiny_config, tiny_network

from clustseg.model.axial import AxialBlock, LineAttention
from clustseg.model.infer import NO_LABEL, MaskInference, mean_posterior, normalised, step_labels
from clustseg.model.rca import Centres, FullNeighbourhood, e_step
from clustseg.model.starts import ClassMemoryStart, PeakStart
from clustseg.model.universal import EStep, UniversalConfig, peaks, positions_of, rescaled


@pytest.fixture(scope="module")
def network():
    return tiny_network()


@pytest.fixture(scope="module")
def pixels(network):
    torch.manual_seed(5)
    with torch.no_grad():
        return network.see(torch.rand(2, 3, 64, 96) * 255)


def clustering(network, pixels, seeds: int = 3, hide_last: bool = False):
    """Two stuff centres and some seeds, as panoptic has them."""
    stuff = network.class_centres(2, network.config.stuff)
    cells = torch.arange(seeds).expand(2, -1) * 37 + 20
    found = network.seed_centres(pixels, cells)
    fields = ("features", "positions", "tightness", "prior")
    centres = Centres(*(torch.cat([getattr(stuff, name), getattr(found, name)], dim=1) for name in fields))
    hidden = torch.zeros(2, 2 + seeds, dtype=torch.bool)
    hidden[:, -1] = hide_last
    return network.cluster(pixels, centres, hidden, 2)


def test_every_e_step_assigns_each_pixel_to_clusters_that_sum_to_one(network, pixels):
    result = clustering(network, pixels)
    assert [step.stride for step in result.steps] == [8, 8, 4]
    for step in result.steps:
        scores = step.scores()
        assert scores.shape == (2, 5, 64 // step.stride, 96 // step.stride)
        torch.testing.assert_close(e_step(scores.flatten(2)).sum(dim=1), torch.ones(2, scores[0, 0].numel()))
    assert result.classes.shape == (2, 3, 3)


def test_scores_are_the_gaussians_of_features_and_moved_positions(network, pixels):
    result = clustering(network, pixels)
    layer, last = network.layers[-1], result.steps[-1]
    features = pixels.features[4]
    unit = network.config.position_unit
    y = (torch.arange(16) + 0.5 - 8) * 4 / unit
    x = (torch.arange(24) + 0.5 - 12) * 4 / unit
    where = torch.stack(torch.meshgrid(y, x, indexing="ij")) + pixels.offsets
    centres = result.centres
    query = layer.query(centres.features)
    distance = (centres.positions[..., None, None] - where[:, None]).square().sum(2)
    wanted = torch.einsum("nkd,ndhw->nkhw", query @ layer.key.weight, features)
    wanted = wanted - 0.5 * query.square().sum(-1)[..., None, None]
    wanted = wanted - 0.5 * layer.log_precision.exp() * centres.tightness[..., None] * distance
    things = torch.tensor([0, 0, 1, 1, 1]).view(1, 5, 1)
    wanted = wanted + (network.prior(centres.features) * things)[..., None]
    torch.testing.assert_close(last.scores(), wanted, atol=2e-4, rtol=1e-4)


def test_padding_gets_no_pixels_and_changes_nothing(network, pixels):
    with_padding, without = clustering(network, pixels, 3, hide_last=True), clustering(network, pixels, 2)
    for padded, plain in zip(with_padding.steps, without.steps):
        shares = e_step(padded.scores().flatten(2))
        assert shares[:, -1].max() == 0
        torch.testing.assert_close(shares[:, :-1], e_step(plain.scores().flatten(2)), atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(with_padding.classes[:, :2], without.classes, atol=1e-5, rtol=1e-4)


def test_a_class_has_no_place(network, pixels):
    moved = Centres(*vars(network.class_centres(2)).values())
    moved = Centres(moved.features, moved.positions + 7.0, moved.tightness, moved.prior)
    hidden = torch.zeros(2, 4, dtype=torch.bool)
    here = network.cluster(pixels, network.class_centres(2), hidden, 4)
    there = network.cluster(pixels, moved, hidden, 4)
    torch.testing.assert_close(here.steps[0].scores(), there.steps[0].scores())
    assert here.classes is None


def test_seeds_read_the_features_and_the_moved_position_of_their_cell(network, pixels):
    cells = torch.tensor([[24 * 3 + 5, 24 * 10 + 20], [0, 24 * 15 + 23]])
    centres = network.seed_centres(pixels, cells)
    at = pixels.features[4][0, :, 3, 5]
    by_hand = network.seeds.ffn(at)
    torch.testing.assert_close(centres.features[0, 0], by_hand)
    torch.testing.assert_close(centres.tightness[0, 0], network.seeds.tightness(by_hand).clamp(-4, 4).exp())
    corner = torch.tensor([(15 + 0.5 - 8) * 4 / 16, (23 + 0.5 - 12) * 4 / 16])
    torch.testing.assert_close(centres.positions[1, 1], corner + pixels.offsets[1, :, 15, 23])


def test_positions_are_pixel_middles_from_the_middle_of_the_image():
    places = positions_of(8, torch.zeros(1, 1, 2, 3), unit=16.0)[0]
    assert places[0, :, 0].tolist() == [-0.25, 0.25]
    assert places[1, 0].tolist() == [-0.5, 0.0, 0.5]


def test_levels_of_all_strides_share_one_frame():
    fine = positions_of(2, torch.zeros(1, 1, 16, 16), 16.0)
    torch.testing.assert_close(rescaled(fine, 1 / 4), positions_of(8, torch.zeros(1, 1, 4, 4), 16.0))
    assert rescaled(fine, 1) is fine
    assert rescaled(fine, 2).shape == (1, 2, 32, 32)


def test_class_memory_is_a_queue_of_means_with_momentum():
    torch.manual_seed(0)
    memory = ClassMemoryStart(3, 4, 6, size=3, momentum=0.75)
    first = memory.queue.clone()
    seen = torch.tensor([[4.0, 0, 0, 0], [2.0, 0, 0, 0], [9.0, 9, 9, 9], [1.0, 1, 1, 1]])
    memory.remember(seen, torch.tensor([1, 1, -1, 2]))
    assert torch.equal(memory.queue[0], first[0])  # not there: as it was
    mean = torch.tensor([3.0, 0, 0, 0])
    torch.testing.assert_close(memory.queue[1, 0], 0.75 * first[1].mean(0) + 0.25 * mean)
    assert torch.equal(memory.queue[1, 1:], first[1, 1:])
    assert memory.next_slot.tolist() == [0, 1, 1]
    for _ in range(3):  # the queue goes round: the oldest entry leaves first
        memory.remember(seen[:2], torch.tensor([1, 1]))
    assert memory.next_slot.tolist() == [0, 1, 1]
    assert not torch.isclose(memory.queue[1], first[1]).any(dim=-1).all(dim=-1)
    for _ in range(300):
        memory.remember(seen[:2], torch.tensor([1, 1]))
    torch.testing.assert_close(memory.queue[1].mean(0), mean, atol=1e-4, rtol=0)
    torch.testing.assert_close(memory(2).features[1, 1], memory.ffn(memory.queue[1].mean(0)))


def test_the_memory_does_not_change_outside_of_training(network, pixels):
    before = network.memory.queue.clone()
    clustering(network, pixels)
    assert torch.equal(network.memory.queue, before)


def test_peaks_are_the_highest_of_their_window_and_above_the_threshold():
    heights = torch.full((1, 1, 9, 9), -9.0)
    heights[0, 0, 2, 2], heights[0, 0, 3, 4], heights[0, 0, 7, 7], heights[0, 0, 0, 8] = 2.0, 1.0, -1.5, -4.0
    found = peaks(heights, 5, 0.1).reshape(9, 9)
    assert found.nonzero().tolist() == [[2, 2], [7, 7]]  # (3, 4) is near a higher one, (0, 8) too low
    torch.testing.assert_close(found[2, 2], torch.sigmoid(torch.tensor(2.0)))


def test_line_attention_does_not_see_what_is_hidden():
    torch.manual_seed(0)
    line, x = LineAttention(8, 2), torch.randn(1, 5, 8)
    hidden = torch.tensor([[False, False, True, False, True]])
    torch.testing.assert_close(line(x, hidden)[:, [0, 1, 3]], line(x[:, [0, 1, 3]]))


def test_an_axial_block_sees_the_whole_image_by_columns_and_rows():
    torch.manual_seed(0)
    block, x = AxialBlock(8).eval(), torch.randn(1, 8, 6, 7)
    other = x.clone()
    other[0, :, 5, 6] += 3
    assert ((block(x) - block(other)).abs().sum(1) > 0).all()
    lines = x + block.place(x)
    columns = torch.stack([block.down(lines[..., at].transpose(1, 2)) for at in range(7)], dim=2)
    rows = torch.stack([block.across(columns[:, at]) for at in range(6)], dim=1)
    torch.testing.assert_close(block(x), (rows + block.feed_forward(rows)).permute(0, 3, 1, 2))


def test_peak_start_and_class_memory_give_centres_of_one_kind():
    seeds = PeakStart(6, 12)(torch.randn(2, 5, 6), torch.rand(2, 5, 2))
    classes = ClassMemoryStart(4, 6, 12)(2)
    for centres, count in ((seeds, 5), (classes, 4)):
        assert [tuple(value.shape) for value in vars(centres).values()] == [(2, count, 12), (2, count, 2), (2, count, 1), (2, count, 1)]
    assert (seeds.tightness > 0).all() and (classes.tightness == 0).all()


def test_configurations_survive_a_checkpoint(network):
    import json

    config = tiny_config(position_unit=9.0)
    assert UniversalConfig.from_dict(json.loads(json.dumps(config.to_dict()))) == config
    assert config.stuff == (0, 1) and config.has_things
    assert not tiny_config(things=(False, False), tasks=("semantic",)).has_things


@pytest.mark.parametrize("task", ["semantic", "panoptic"])
@pytest.mark.parametrize("size", [(64, 96), (33, 50), (1, 1)])
def test_each_pixel_has_one_winner_among_the_clusters(network, task, size):
    image = torch.from_numpy(blobs(*size, seed=1))
    with torch.no_grad():
        found = MaskInference(network, task).eval()(image, torch.zeros(1), torch.zeros(1))
    clusters = found.class_id.shape[1]
    assert found.labels.shape == (1, *size)
    assert found.labels.min() >= 0 and found.labels.max() < clusters
    assert found.score.shape == (1, clusters) and found.seeds.shape == (1, clusters, 2)
    assert ((found.score >= 0) & (found.score <= 1)).all()
    classes = 4 if task == "semantic" else 2
    assert found.class_id[0, :classes].tolist() == ([0, 1, 2, 3] if task == "semantic" else [0, 1])
    assert (found.seeds[:, :classes] == -1).all()
    assert (found.class_id[:, classes:] >= 2).all()


def test_enlarging_scores_and_enlarging_pixels_give_the_same_labels(network):
    image, low = torch.from_numpy(blobs(64, 96, seed=2)), torch.zeros(1)
    with torch.no_grad():
        by_scores = MaskInference(network, "panoptic", upsample="scores")(image, low, low)
        by_pixels = MaskInference(network, "panoptic", upsample="pixels")(image, low, low)
    assert (by_scores.labels == by_pixels.labels).float().mean() > 0.999
    torch.testing.assert_close(by_scores.score, by_pixels.score)


def test_things_below_the_threshold_take_no_pixels_and_unsure_pixels_have_no_label(network):
    image = torch.from_numpy(blobs(64, 96, seed=3))
    inference = MaskInference(network, "panoptic")
    with torch.no_grad():
        low = inference(image, torch.zeros(1), torch.zeros(1))
        scores = low.score[0, 2:]
        middle = scores[scores > 0].median()
        high = inference(image, middle[None], torch.zeros(1))
        above_all = inference(image, torch.tensor([1.1]), torch.zeros(1))
        unsure = inference(image, torch.zeros(1), low.score[:, 1])  # the mean of what the second class's pixels have
    assert 0 < (high.score[0, 2:] > 0).sum() < (scores > 0).sum()
    assert (high.score[0, high.labels.unique().long()] > 0).all()
    assert (above_all.score[0, 2:] == 0).all() and above_all.labels.max() < 2
    assert (unsure.labels == NO_LABEL).any() and (unsure.labels != NO_LABEL).any()
    kept = unsure.labels != NO_LABEL
    assert (unsure.labels[kept] == low.labels[kept]).all()


def test_the_mean_posterior_is_over_the_pixels_a_cluster_wins():
    scores = torch.tensor([[[2.0, 1.0, 0.0], [0.0, 0.0, 3.0], [-9.0, -9.0, -9.0]]])
    posterior = scores.softmax(dim=1)
    wanted = torch.stack([posterior[0, 0, :2].mean(), posterior[0, 1, 2], torch.tensor(0.0)])
    torch.testing.assert_close(mean_posterior(scores)[0], wanted)


def test_normalised_images_have_one_mean_and_one_contrast():
    torch.manual_seed(0)
    dark = torch.rand(2, 3, 20, 20) * torch.tensor([9.0, 90.0]).view(2, 1, 1, 1) + 5
    plane = normalised(dark)
    torch.testing.assert_close(plane.mean(dim=(1, 2, 3)), torch.full((2,), 127.0), atol=0.5, rtol=0)
    torch.testing.assert_close(plane.std(dim=(1, 2, 3)), torch.full((2,), 64.0), atol=1.0, rtol=0)
    torch.testing.assert_close(normalised(dark * 2 + 3)[1], plane[1], atol=0.01, rtol=1e-3)


def test_step_labels_are_the_winners_of_each_e_step_at_one_size():
    torch.manual_seed(0)
    coarse, fine = torch.randn(1, 3, 2, 3), torch.randn(1, 3, 4, 6)
    steps = [EStep(8, torch.eye(3)[None], coarse), EStep(4, torch.eye(3)[None], fine)]
    frames = step_labels(type("Clusters", (), {"steps": steps})(), 15, 21)
    assert frames.shape == (1, 2, 4, 6)
    enlarged = F.interpolate(coarse.argmax(1, keepdim=True).float(), scale_factor=2.0)[0, 0].int()
    assert torch.equal(frames[0, 0], enlarged)
    assert torch.equal(frames[0, 1], fine.argmax(1)[0].int())


def test_a_neighbourhoods_query_times_pixels_is_its_scores():
    torch.manual_seed(0)
    plane = torch.randn(1, 9, 11)
    weights, bias, places, precision = torch.randn(1, 4, 5), torch.randn(1, 4, 1), torch.randn(1, 4, 2), torch.rand(1, 4, 1)
    neighbourhood = FullNeighbourhood()
    query = neighbourhood.query(weights, bias, places, precision)
    torch.testing.assert_close(query @ plane, neighbourhood.logits(plane, weights, bias, places, precision))
    sums, mass = neighbourhood.gather(torch.arange(18.0).view(1, 2, 9))
    assert sums[0, 0].tolist() == [0, 1, 2, 3, 4, 5, 6] and mass[0, 0].tolist() == [8]

"""Losses: points against dense maps, dice and cross-entropy by hand, and the switches."""

from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F

from clustseg.losses.mask_objective import border_of
from clustseg.losses.masks import (
    MaskLossWeights,
    assignment_loss,
    centre_map_loss,
    cluster_cross_entropy,
    dice_loss,
    offset_loss,
    sample_points,
    vectors_at,
)
from clustseg.model.universal import EStep

SIZE = (24, 32)


def e_steps(clusters: int = 3, depth: int = 6) -> list[EStep]:
    torch.manual_seed(0)
    coarse, fine = torch.randn(2, depth, 3, 4), torch.randn(2, depth, 6, 8)
    return [EStep(8, torch.randn(2, clusters, depth), coarse), EStep(8, torch.randn(2, clusters, depth), coarse),
            EStep(4, torch.randn(2, clusters, depth), fine)]  # fmt: skip


def every_point() -> torch.Tensor:
    return torch.arange(SIZE[0] * SIZE[1]).expand(2, -1)


def test_scores_at_points_are_the_dense_scores_interpolated():
    step = e_steps()[2]
    dense = F.interpolate(step.scores(), size=SIZE, mode="bilinear", align_corners=False)
    at_points = torch.matmul(step.query, vectors_at(step.pixels, every_point(), *SIZE))
    torch.testing.assert_close(at_points, dense.flatten(2), atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(vectors_at(step.scores(), every_point(), *SIZE), dense.flatten(2), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("clusters", [3, 9])
def test_few_and_many_clusters_have_the_same_loss(clusters):
    """Scores first, then points (fewer clusters than features), or points first: the same by linearity."""
    steps = e_steps(clusters)
    truth = torch.randint(-1, clusters, (2, SIZE[0] * SIZE[1]))
    weights = MaskLossWeights(deep_supervision=0.0)
    loss, parts = assignment_loss(steps, every_point(), truth, SIZE, weights)
    dense = F.interpolate(steps[-1].scores(), size=SIZE, mode="bilinear", align_corners=False).flatten(2)
    entropy = F.cross_entropy(dense, truth, ignore_index=-1)
    torch.testing.assert_close(loss, 5 * entropy + 2 * dice_loss(dense, truth, False), atol=1e-4, rtol=1e-4)
    assert parts["entropy"] == pytest.approx(entropy.item(), abs=1e-4)


def test_earlier_e_steps_weigh_together_what_deep_supervision_says():
    steps, truth = e_steps(), torch.randint(0, 3, (2, SIZE[0] * SIZE[1]))
    weights = MaskLossWeights()
    whole, _ = assignment_loss(steps, every_point(), truth, SIZE, weights)
    last, _ = assignment_loss(steps, every_point(), truth, SIZE, replace(weights, deep_supervision=0.0))
    # An E-step alone is the last one; earlier ones are read at a third of the points.
    third = every_point()[:, ::3], truth[:, ::3]
    earlier = [assignment_loss([step], *third, SIZE, weights)[0] for step in steps[:2]]
    torch.testing.assert_close(whole, last + 0.5 * (earlier[0] + earlier[1]) / 2)


def test_gradients_reach_every_e_step():
    steps = e_steps()
    queries = [step.query.requires_grad_() for step in steps]
    assignment_loss(steps, every_point(), torch.randint(0, 3, (2, SIZE[0] * SIZE[1])), SIZE, MaskLossWeights())[0].backward()
    assert all(query.grad.abs().max() > 0 for query in queries)


def test_unknown_points_count_for_nothing():
    steps = e_steps()
    truth = torch.randint(0, 3, (2, SIZE[0] * SIZE[1]))
    half = truth.clone()
    half[:, 1::2] = -1
    weights = MaskLossWeights(deep_supervision=0.0)
    masked, _ = assignment_loss(steps, every_point(), half, SIZE, weights)
    alone, _ = assignment_loss(steps, every_point()[:, ::2], truth[:, ::2], SIZE, weights)
    torch.testing.assert_close(masked, alone)
    nothing, _ = assignment_loss(steps, every_point(), torch.full_like(truth, -1), SIZE, weights)
    assert nothing == 0


def test_dice_by_hand():
    shares = torch.tensor([[[0.8, 0.6, 0.1], [0.2, 0.4, 0.9]]])
    truth = torch.tensor([[0, 0, 1]])
    first = 1 - (2 * 1.4 + 1) / (1.5 + 2 + 1)
    second = 1 - (2 * 0.9 + 1) / (1.5 + 1 + 1)
    torch.testing.assert_close(dice_loss(shares.log(), truth, False), torch.tensor((first + second) / 2))
    # A cluster that the truth does not have is left out; pixels that are not known are not in any sum.
    torch.testing.assert_close(dice_loss(shares.log(), torch.tensor([[0, 0, -1]]), False), torch.tensor(1 - (2.8 + 1) / (1.4 + 2 + 1)))


def test_dice_of_classes_is_over_the_batch():
    torch.manual_seed(1)
    logits, truth = torch.randn(2, 3, 50), torch.randint(0, 3, (2, 50))
    together = dice_loss(logits.transpose(0, 1).reshape(1, 3, 100), truth.reshape(1, 100), False)
    torch.testing.assert_close(dice_loss(logits, truth, True), together)
    assert not torch.isclose(dice_loss(logits, truth, False), together)


def test_classes_weigh_as_they_are_told():
    logits, truth = torch.zeros(1, 2, 2), torch.tensor([[0, 1]])
    logits[0, 0, 0] = 1.0
    entropy = F.cross_entropy(logits.transpose(1, 2).reshape(2, 2), truth[0], reduction="none")
    weighted = cluster_cross_entropy(logits, truth, torch.tensor([3.0, 1.0]))
    torch.testing.assert_close(weighted, (3 * entropy[0] + entropy[1]) / 4)


def test_points_are_taken_from_candidates_and_half_of_them_from_the_preferred():
    torch.manual_seed(0)
    candidates = torch.zeros(20, 20, dtype=torch.bool)
    candidates[5:15] = True
    preferred = torch.zeros_like(candidates)
    preferred[10, 3] = preferred[0, 0] = True
    points = sample_points(candidates, preferred, 101)
    assert len(points) == 101 and candidates.reshape(-1)[points].all()
    assert (points == 10 * 20 + 3).sum() >= 50
    nowhere = sample_points(torch.zeros_like(candidates), preferred, 7)
    assert nowhere.tolist() == [0] * 7


def test_the_border_is_where_another_cluster_is_near():
    clusters = torch.zeros(9, 9, dtype=torch.long)
    clusters[:, 5:] = 1
    assert border_of(clusters, reach=2)[4].tolist() == [False] * 3 + [True] * 4 + [False] * 2
    assert not border_of(torch.full((5, 5), 3)).any()


def test_focal_loss_of_the_centre_map_by_hand():
    target = torch.tensor([[[1.0, 0.5], [0.0, 0.0]]])
    logits = torch.tensor([[[0.3, -0.2], [-1.0, 4.0]]])
    known = torch.tensor([[[True, True], [True, False]]])
    yes = torch.sigmoid(logits[0])
    wanted = -((1 - yes[0, 0]) ** 2 * yes[0, 0].log())
    wanted = wanted - 0.5**4 * yes[0, 1] ** 2 * (1 - yes[0, 1]).log() - yes[1, 0] ** 2 * (1 - yes[1, 0]).log()
    torch.testing.assert_close(centre_map_loss(logits, target, known), wanted)
    empty = centre_map_loss(logits, torch.zeros_like(target), known)
    assert torch.isfinite(empty) and empty > 0


def test_offsets_count_on_objects_only():
    offsets, target = torch.zeros(1, 2, 2, 2), torch.ones(1, 2, 2, 2)
    target[0, 1, 0, 0] = -3.0
    known = torch.tensor([[[True, False], [False, False]]])
    assert offset_loss(offsets, target, known) == 4.0
    assert offset_loss(offsets, target, torch.zeros_like(known)) == 0.0

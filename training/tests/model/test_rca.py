"""The equations: what an E-step, an M-step and a layer are, checked by hand and against each other."""

import torch

from clustseg.model.grid import cell_positions, grid_positions, to_cells
from clustseg.model.rca import (
    Centres,
    FullNeighbourhood,
    GridNeighbourhood,
    IndexedGridNeighbourhood,
    RecurrentCrossAttention,
    e_step,
    m_step,
)

FEATURES, CENTRE, KEY = 5, 7, 6


def layer(**options) -> RecurrentCrossAttention:
    torch.manual_seed(0)
    return RecurrentCrossAttention(CENTRE, FEATURES, KEY, **options).double()


def full_pixels(features: torch.Tensor, where: torch.Tensor) -> torch.Tensor:
    """FullNeighbourhood's layout [N, Dx + 4, P]: features, y, x, y^2 + x^2 and one."""
    return torch.cat([features, where, where.square().sum(1, keepdim=True), torch.ones_like(where[:, :1])], dim=1)


def full_scene(centres: int = 4, pixels: int = 30) -> tuple[Centres, torch.Tensor]:
    torch.manual_seed(1)
    plane = full_pixels(torch.randn(2, FEATURES, pixels).double(), torch.randn(2, 2, pixels).double())
    return Centres(torch.randn(2, centres, CENTRE).double(), torch.randn(2, centres, 2).double()), plane


def off_the_grid(centres: Centres, pixels: torch.Tensor) -> tuple[Centres, torch.Tensor, torch.Tensor]:
    """A scene of the grid without one: all cells' pixels in one list, cell after cell, and positions in one frame. The third
    are the middles of the cells in it."""
    batch, rows, columns = pixels.shape[:3]
    middles = torch.tensor([[r, c] for r in range(rows) for c in range(columns)]).double()
    flat = pixels.flatten(1, 2)
    where = (flat[:, :, FEATURES : FEATURES + 2] + middles[None, :, :, None]).transpose(1, 2).flatten(2)
    plane = full_pixels(flat[:, :, :FEATURES].transpose(1, 2).flatten(2), where)
    return Centres(centres.features.flatten(1, 2), centres.positions.flatten(1, 2) + middles), plane, middles


def grid_scene(rows: int, columns: int, cell: int = 4) -> tuple[Centres, torch.Tensor]:
    torch.manual_seed(2)
    height, width = rows * cell, columns * cell
    plane = torch.randn(2, FEATURES, height, width).double()
    where = cell_positions(height, width, rows, columns, plane).expand(2, -1, -1, -1)
    centres = Centres(torch.randn(2, rows, columns, CENTRE).double(), torch.randn(2, rows, columns, 2).double() * 0.1)
    return centres, to_cells(torch.cat([plane, where], dim=1), rows, columns)


def test_e_step_gives_every_pixel_a_distribution_over_clusters():
    centres, pixels = full_scene()
    assignment = e_step(layer().logits(centres, pixels, FullNeighbourhood()))
    assert (assignment >= 0).all()
    torch.testing.assert_close(assignment.sum(dim=-2), torch.ones(2, 30).double())


def test_e_step_on_the_grid_sums_to_one_and_ignores_seeds_beyond_the_border():
    centres, pixels = grid_scene(3, 4)
    assignment = e_step(layer().logits(centres, pixels, GridNeighbourhood().double()))
    torch.testing.assert_close(assignment.sum(dim=-2), torch.ones(2, 3, 4, 16).double())
    assert assignment[:, 0, :, 0:3].abs().max() == 0
    assert assignment[:, -1, :, 6:9].abs().max() == 0
    assert assignment[:, :, 0, 0::3].abs().max() == 0
    assert assignment[:, :, -1, 2::3].abs().max() == 0


def test_m_step_is_the_weighted_mean_of_the_pixels():
    _, pixels = full_scene(centres=2)
    assignment = torch.rand(2, 2, 30).double()
    means, positions = m_step(assignment, pixels, FullNeighbourhood())
    by_hand = (assignment[0, 1] * pixels[0, 3]).sum() / assignment[0, 1].sum()
    torch.testing.assert_close(means[0, 1, 3], by_hand)
    x = pixels[1, FEATURES + 1]
    torch.testing.assert_close(positions[1, 0, 1], (assignment[1, 0] * x).sum() / assignment[1, 0].sum())


def test_one_step_equals_the_equations_written_out():
    module, (centres, pixels) = layer(steps=1), full_scene()
    got, scores = module(centres, pixels, FullNeighbourhood())

    # The paper's order: project the pixels, compare with the queries, softmax over clusters, sum the values.
    x, where = pixels[:, :FEATURES].transpose(1, 2), pixels[:, FEATURES : FEATURES + 2].transpose(1, 2)
    query, key, value = module.query(centres.features), module.key(x), module.value(x)
    precision = module.log_precision.exp()
    logits = query @ key.transpose(1, 2) - 0.5 * query.square().sum(-1, keepdim=True)
    distance = (centres.positions[:, :, None] - where[:, None]).square().sum(-1)
    logits = logits - 0.5 * precision * distance
    assignment = logits.softmax(dim=1)
    mass = assignment.sum(-1, keepdim=True)
    torch.testing.assert_close(e_step(scores[0]), assignment)
    torch.testing.assert_close(got.features, centres.features + assignment @ value / mass)
    torch.testing.assert_close(got.positions, assignment @ where / mass)


def test_masked_e_step_equals_the_full_softmax_where_the_mask_is_full():
    centres, pixels = grid_scene(2, 2)
    module = layer(steps=3)
    masked, masked_scores = module(centres, pixels, GridNeighbourhood().double())
    all_centres, flat, middles = off_the_grid(centres, pixels)
    full, full_scores = module(all_centres, flat, FullNeighbourhood())

    torch.testing.assert_close(masked.features.flatten(1, 2), full.features)
    torch.testing.assert_close(masked.positions.flatten(1, 2) + middles, full.positions)
    chosen = e_step(masked_scores[-1])[:, 0, 0]  # the first cell sees itself and three neighbours: entries 4, 5, 7, 8
    torch.testing.assert_close(chosen[:, [4, 5, 7, 8]], e_step(full_scores[-1])[:, :, :16])


def test_the_middle_cell_of_a_grid_of_nine_sees_all_of_them():
    centres, pixels = grid_scene(3, 3)
    module = layer(steps=1)
    masked = e_step(module.logits(centres, pixels, GridNeighbourhood().double()))[:, 1, 1]
    all_centres, flat, _ = off_the_grid(centres, pixels)
    full = e_step(module.logits(all_centres, flat, FullNeighbourhood()))
    torch.testing.assert_close(masked, full[:, :, 4 * 16 : 5 * 16])


def test_each_centre_has_a_precision_and_a_weight_of_its_own():
    centres, pixels = full_scene()
    tightness, prior = torch.rand(2, 4, 1).double() * 2, torch.randn(2, 4, 1).double()
    tightness[:, 0] = 0  # a class has no place
    module = layer()
    got = module.logits(Centres(centres.features, centres.positions, tightness, prior), pixels, FullNeighbourhood())

    x, where = pixels[:, :FEATURES].transpose(1, 2), pixels[:, FEATURES : FEATURES + 2].transpose(1, 2)
    query = module.query(centres.features)
    distance = (centres.positions[:, :, None] - where[:, None]).square().sum(-1)
    wanted = query @ module.key(x).transpose(1, 2) - 0.5 * query.square().sum(-1, keepdim=True)
    wanted = wanted - 0.5 * module.log_precision.exp() * tightness * distance + prior
    torch.testing.assert_close(got, wanted)


def test_an_anchored_centre_is_the_one_the_layer_began_with_plus_what_it_found():
    centres, pixels = full_scene()
    module = layer(steps=3, anchored=True)
    got, scores = module(centres, pixels, FullNeighbourhood())

    current = centres
    for step in range(3):
        logits = module.logits(current, pixels, FullNeighbourhood())
        torch.testing.assert_close(scores[step], logits)
        means, positions = m_step(e_step(logits), pixels, FullNeighbourhood())
        current = Centres(centres.features + module.value(means), positions)
    torch.testing.assert_close(got.features, current.features)
    torch.testing.assert_close(got.positions, current.positions)


def test_the_last_m_step_is_left_out_where_nothing_reads_it():
    centres, pixels = full_scene()
    module = layer(steps=2, anchored=True)
    got, scores = module(centres, pixels, FullNeighbourhood(), last=True)
    _, all_scores = module(centres, pixels, FullNeighbourhood())
    assert len(scores) == 2
    torch.testing.assert_close(scores[1], all_scores[1])
    torch.testing.assert_close(module.logits(got, pixels, FullNeighbourhood()), scores[1])


def test_gradients_flow_through_every_step():
    module, (centres, pixels) = layer(steps=4), grid_scene(3, 3)
    pixels = pixels.clone().requires_grad_()
    _, scores = module(centres, pixels, GridNeighbourhood().double())
    assert len(scores) == 4
    for score in scores:
        score.retain_grad()
    e_step(scores[-1]).square().sum().backward()
    assert all(score.grad is not None and score.grad.abs().max() > 0 for score in scores)
    assert all(parameter.grad.abs().max() > 0 for parameter in module.parameters())


def test_scores_on_the_grid_keep_single_precision():
    centres, pixels = grid_scene(3, 4)
    module = layer()
    exact = module.logits(centres, pixels, GridNeighbourhood().double())
    single = Centres(centres.features.float(), centres.positions.float())
    rounded = module.float().logits(single, pixels.float(), GridNeighbourhood())
    inside = exact > -1e5
    torch.testing.assert_close(rounded.double()[inside], exact[inside], atol=1e-4, rtol=1e-5)


def test_looking_around_and_collecting_are_adjoint():
    torch.manual_seed(3)
    neighbourhood = GridNeighbourhood().double()
    centres, parts = torch.randn(2, 3, 5, 4).double(), torch.randn(2, 3, 5, 9, 4).double()
    left = (neighbourhood.around(centres) * parts).sum()
    right = (centres * neighbourhood.collected(parts)).sum()
    torch.testing.assert_close(left, right)
    around = neighbourhood.around(centres)
    torch.testing.assert_close(around[:, 1, 1, 0], centres[:, 0, 0])
    torch.testing.assert_close(around[:, 1, 1, 5], centres[:, 1, 2])


def test_dot_similarity_leaves_out_the_norm_of_the_query():
    centres, pixels = full_scene()
    flat = Centres(centres.features, torch.zeros_like(centres.positions))
    gaussian, dot = layer(), layer(similarity="dot")
    norm = 0.5 * gaussian.query(centres.features).square().sum(-1, keepdim=True)
    difference = dot.logits(flat, pixels, FullNeighbourhood()) - gaussian.logits(flat, pixels, FullNeighbourhood())
    torch.testing.assert_close(difference, norm.expand_as(difference))


def test_vanilla_cross_attention_normalises_over_pixels():
    module, (centres, pixels) = layer(attention="vanilla"), full_scene()
    got, _ = module(centres, pixels, FullNeighbourhood())
    weights = module.logits(centres, pixels, FullNeighbourhood()).clamp_min(-1e9).softmax(dim=-1)
    x = pixels[:, :FEATURES].transpose(1, 2)
    torch.testing.assert_close(got.features, centres.features + weights @ module.value(x), atol=1e-6, rtol=1e-6)


def test_table_look_up_in_one_frame_equals_the_convolutions():
    rows, columns, cell = 3, 5, 4
    centres, pixels = grid_scene(rows, columns, cell)
    module = layer(steps=3)
    by_cell, by_cell_scores = module(centres, pixels, GridNeighbourhood().double())

    middles = torch.tensor([[r - (rows - 1) / 2, c - (columns - 1) / 2] for r in range(rows) for c in range(columns)])
    middles = middles.double().reshape(rows, columns, 2)
    where = grid_positions(rows * cell, columns * cell, rows, columns, pixels).expand(2, -1, -1, -1)
    pixels = torch.cat([pixels[..., :FEATURES, :], to_cells(where, rows, columns)], dim=-2)
    by_table, by_table_scores = module(
        Centres(centres.features, centres.positions + middles), pixels, IndexedGridNeighbourhood(rows, columns)
    )

    torch.testing.assert_close(by_table.features, by_cell.features)
    torch.testing.assert_close(by_table.positions, by_cell.positions + middles)
    for got, wanted in zip(by_table_scores, by_cell_scores):
        torch.testing.assert_close(e_step(got), e_step(wanted))

import pytest
import torch

from clustseg.model.grid import cell_positions, cell_size, from_cells, grid_for, to_cells


@pytest.mark.parametrize("size", [(321, 481), (481, 321), (256, 256), (1040, 1388)])
@pytest.mark.parametrize("superpixels", [50, 100, 300, 600, 1000, 2500, 5000])
def test_seeds_lie_between_what_was_asked_and_fifteen_percent_more(size, superpixels):
    rows, columns = grid_for(superpixels, *size)
    assert superpixels <= rows * columns <= 1.15 * superpixels


@pytest.mark.parametrize("size", [(1, 1), (1, 5000), (7, 3)])
def test_there_is_at_least_one_seed_and_at_most_one_a_pixel(size):
    for superpixels in (1, 2, 10, 10_000):
        rows, columns = grid_for(superpixels, *size)
        assert 1 <= rows <= size[0] and 1 <= columns <= size[1]


def test_cells_are_close_to_the_image_and_whole_at_every_level():
    cell = cell_size(torch.tensor([321, 481]), torch.tensor([15, 22]))
    assert cell.tolist() == [20, 20]
    assert cell_size(torch.tensor([4000, 6000]), torch.tensor([8, 12])).tolist() == [48, 48]
    assert cell_size(torch.tensor([1, 5000]), torch.tensor([1, 100])).tolist() == [4, 48]


def test_cells_and_back_is_the_identity():
    plane = torch.randn(2, 3, 12, 20)
    cells = to_cells(plane, 3, 4)
    assert cells.shape == (2, 3, 4, 3, 20)
    torch.testing.assert_close(cells[1, 2, 3, 0], plane[1, 0, 8:12, 15:20].reshape(-1))
    torch.testing.assert_close(from_cells(cells, 4, 5), plane)


def test_positions_are_centred_in_each_cell():
    where = cell_positions(8, 12, 2, 3, torch.zeros(1))
    assert where.shape == (1, 3, 8, 12)
    y = to_cells(where, 2, 3)[0, :, :, 0]
    torch.testing.assert_close(y.mean(dim=-1), torch.zeros(2, 3))
    assert where[0, 0].min() == -0.375 and where[0, 2].unique().tolist() == [1.0]

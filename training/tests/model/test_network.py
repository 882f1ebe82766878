import pytest
import torch

from clustseg.losses.superpixels import LossWeights, superpixel_loss
from clustseg.model.network import SuperpixelClustSeg, SuperpixelConfig
from clustseg.model.starts import ClassMemoryStart, SceneAdaptiveStart


@pytest.fixture(scope="module")
def network() -> SuperpixelClustSeg:
    torch.manual_seed(0)
    return SuperpixelClustSeg().eval()


def step_count(network: SuperpixelClustSeg, **options) -> int:
    return len(network(torch.rand(1, 3, 32, 48) * 255, 2, 3, **options))


def test_every_e_step_of_every_level_is_handed_out(network):
    steps = network(torch.rand(2, 3, 32, 48) * 255, 2, 3)
    assert [stride for stride, _ in steps] == [4, 4, 4, 2, 2, 2, 1]
    assert steps[-1][1].shape == (2, 2, 3, 9, 16 * 16)
    assert step_count(network, steps=1) == 3


@pytest.mark.parametrize("size", [(1, 1), (1, 500), (33, 47), (120, 80)])
@pytest.mark.parametrize("superpixels", [1, 40, 100_000])
def test_any_size_and_any_number_gives_one_seed_for_each_pixel(network, size, superpixels):
    if size == (120, 80) and superpixels == 100_000:
        superpixels = 2000
    image = torch.randint(0, 256, (1, *size, 3), dtype=torch.uint8)
    with torch.no_grad():
        labels = network.segment(image, torch.tensor([superpixels]), torch.tensor([0, 0]))
    assert labels.shape == (1, *size)
    assert labels.min() >= 0 and len(labels.unique()) <= max(1, 1.15 * superpixels)


def test_a_wanted_grid_is_obeyed(network):
    image = torch.randint(0, 256, (1, 64, 64, 3), dtype=torch.uint8)
    with torch.no_grad():
        labels = network.segment(image, torch.tensor([999]), torch.tensor([2, 3]))
    assert labels.max() < 6


def test_a_pixel_belongs_to_one_of_its_nine_nearest_seeds(network):
    image = torch.randint(0, 256, (1, 64, 96, 3), dtype=torch.uint8)
    with torch.no_grad():
        labels = network.segment(image, torch.tensor([1]), torch.tensor([4, 6]))[0]
    own_row, own_column = torch.arange(64)[:, None] // 16, torch.arange(96)[None] // 16
    assert ((labels // 6 - own_row).abs() <= 1).all() and ((labels % 6 - own_column).abs() <= 1).all()


def test_a_few_steps_of_training_lower_the_loss():
    torch.manual_seed(0)
    network = SuperpixelClustSeg(SuperpixelConfig(steps=2)).train()
    labels = (torch.arange(48)[:, None] // 10 + torch.arange(48)[None] // 14).expand(1, 48, 48) % 5
    image = (labels[:, None] * torch.tensor([50.0, 30.0, 10.0]).view(1, 3, 1, 1)).float()
    optimizer = torch.optim.Adam(network.parameters(), 3e-3)
    losses = []
    for _ in range(12):
        loss, parts = superpixel_loss(network(image, 4, 4), labels, 5, 4, 4, LossWeights())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.8 * losses[0]
    assert set(parts) == {"cross_entropy", "smooth_l1", "position"}


def test_deep_supervision_can_be_switched_off(network):
    steps = network(torch.rand(1, 3, 32, 32) * 255, 2, 2)
    labels = torch.randint(0, 3, (1, 32, 32))
    last_only, _ = superpixel_loss(steps, labels, 3, 2, 2, LossWeights(deep_supervision=0.0))
    alone, _ = superpixel_loss(steps[-1:], labels, 3, 2, 2, LossWeights(deep_supervision=0.0))
    every, _ = superpixel_loss(steps, labels, 3, 2, 2, LossWeights())
    torch.testing.assert_close(last_only, alone)
    assert every > last_only


def test_all_starts_give_centres_that_rca_takes():
    pixels = torch.cat([torch.randn(2, 8, 50), torch.ones(2, 1, 50)], dim=1)
    scene = SceneAdaptiveStart(10, 6, 12)(pixels)
    memory = ClassMemoryStart(4, 6, 12)
    memory.remember(torch.randn(20, 6) + 3, torch.arange(20) % 4)
    classes = memory(2)
    assert scene.features.shape == (2, 10, 12) and scene.positions.shape == (2, 10, 2)
    assert classes.features.shape == (2, 4, 12)
    torch.testing.assert_close(classes.features[0], classes.features[1])
    assert not torch.allclose(scene.features[0], scene.features[1])

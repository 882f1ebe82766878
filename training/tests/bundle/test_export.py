import copy

import numpy as np
import onnxruntime
import pytest
import torch

from clustseg.bundle.deploy import deployed
from clustseg.bundle.export_superpixels import export_onnx
from clustseg.losses.superpixels import LossWeights, superpixel_loss
from clustseg.model.network import SuperpixelClustSeg


def smooth_image(height: int, width: int, seed: int) -> np.ndarray:
    """Blobs of colour with a little noise: an image whose boundaries are worth finding."""
    random = np.random.default_rng(seed)
    coarse = torch.from_numpy(random.uniform(0, 255, (1, 3, 6, 7)).astype(np.float32))
    plane = torch.nn.functional.interpolate(coarse, size=(height, width), mode="bicubic")[0].permute(1, 2, 0).numpy()
    return np.clip(plane + random.normal(0, 4, plane.shape), 0, 255).astype(np.uint8)[None]


@pytest.fixture(scope="module")
def pair(tmp_path_factory):
    """A network after a few steps of training, as PyTorch and as an ONNX session."""
    torch.manual_seed(0)
    network = SuperpixelClustSeg().train()
    optimizer = torch.optim.Adam(network.parameters(), 2e-3)
    for step in range(20):
        image = torch.from_numpy(smooth_image(96, 96, step)).permute(0, 3, 1, 2).float()
        labels = (image.mean(dim=1) / 43).long().clamp(0, 5)
        loss, _ = superpixel_loss(network(image, 6, 6), labels, 6, 6, 6, LossWeights())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    network = deployed(network)
    path = tmp_path_factory.mktemp("export") / "model.onnx"
    export_onnx(network, path)
    return network, onnxruntime.InferenceSession(str(path))


def labels_of(network, image: np.ndarray, superpixels: int) -> np.ndarray:
    with torch.no_grad():
        return network.segment(torch.from_numpy(image), torch.tensor([superpixels]), torch.tensor([0, 0])).numpy()


@pytest.mark.parametrize("size", [(160, 240), (123, 77)])
@pytest.mark.parametrize("superpixels", [20, 150])
def test_the_graph_gives_pytorchs_labels(pair, size, superpixels):
    network, session = pair
    image = smooth_image(*size, seed=superpixels)
    inputs = {"image": image, "superpixels": np.array([superpixels]), "grid": np.array([0, 0]), "with_steps": np.array([0])}
    labels = session.run(None, inputs)[0]
    assert labels.dtype == np.uint16 and labels.shape == (1, *size)
    # In double precision, as PyTorch's single precision takes short cuts in convolutions on some CPUs.
    assert (labels == labels_of(copy.deepcopy(network).double(), image, superpixels)).mean() >= 0.999


def test_images_of_a_batch_do_not_touch_each_other(pair):
    _, session = pair
    images = np.concatenate([smooth_image(64, 80, 1), smooth_image(64, 80, 2)])
    rest = {"superpixels": np.array([30]), "grid": np.array([0, 0]), "with_steps": np.array([0])}
    together = session.run(None, {"image": images, **rest})[0]
    alone = np.concatenate([session.run(None, {"image": image[None], **rest})[0] for image in images])
    assert (together == alone).mean() >= 0.9999


def test_a_wanted_grid_reaches_the_graph(pair):
    _, session = pair
    rest = {"superpixels": np.array([500]), "grid": np.array([3, 4]), "with_steps": np.array([0])}
    labels = session.run(None, {"image": smooth_image(64, 64, 3), **rest})[0]
    assert labels.max() < 12


def test_steps_are_given_when_asked_for_and_change_nothing(pair):
    network, session = pair
    image = smooth_image(90, 121, 4)
    rest = {"superpixels": np.array([500]), "grid": np.array([3, 5])}
    without, with_steps = (
        dict(zip(("labels", "seeds", "steps"), session.run(["labels", "seeds", "steps"], {"image": image, **rest, "with_steps": np.array([wish])})))
        for wish in (0, 1)
    )
    assert without["steps"].shape[1] == 0
    assert np.array_equal(without["labels"], with_steps["labels"])
    with torch.no_grad():
        found = copy.deepcopy(network).double().traced(torch.from_numpy(image), torch.tensor([500]), torch.tensor([3, 5]))
        frames = found.frames(90, 121).numpy()
    assert with_steps["steps"].dtype == np.uint16 and with_steps["steps"].shape == frames.shape == (1, 7, 45, 61)
    assert (with_steps["steps"] == frames).mean() >= 0.999
    assert with_steps["steps"].max() < 15
    x, y = with_steps["seeds"][0, 7]  # the second row's third of five
    assert (x, y) == (pytest.approx(0.5), pytest.approx(0.5)) and with_steps["seeds"].shape == (1, 15, 2)

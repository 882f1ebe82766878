"""The paper's encoders: sizes as published, names as published, and what their layers compute."""

import pytest
import torch
from torch import nn

from clustseg.model.encoders import build_encoder, swin
from clustseg.model.encoders.published import DropPath, WeightsError
from clustseg.model.encoders.resnet import FrozenBatchNorm2d, ResNet
from clustseg.model.encoders.swin import Swin, SwinBlock, hidden_pairs

RESNET50 = (3, 4, 6, 3)


def on_meta(name: str, deepest_stride: int = 32):
    with torch.device("meta"):
        return build_encoder(name, deepest_stride)


def resnet50_names(stages: int = 4) -> dict[str, tuple[int, ...]]:
    """Names and shapes of torchvision's resnet50 state dict, up to `stages`, with the classifier."""
    norms = {"weight": 0, "bias": 0, "running_mean": 0, "running_var": 0, "num_batches_tracked": None}

    def norm(name: str, channels: int) -> dict[str, tuple[int, ...]]:
        return {f"{name}.{kind}": () if size is None else (channels,) for kind, size in norms.items()}

    shapes = {"conv1.weight": (64, 3, 7, 7), **norm("bn1", 64), "fc.weight": (1000, 2048), "fc.bias": (1000,)}
    inputs = 64
    for stage, count in enumerate(RESNET50[:stages]):
        width = 64 << stage
        for block in range(count):
            at = f"layer{stage + 1}.{block}"
            for index, (outputs, sees, side) in enumerate(((width, inputs, 1), (width, width, 3), (4 * width, width, 1)), start=1):
                shapes[f"{at}.conv{index}.weight"] = (outputs, sees, side, side)
                shapes |= norm(f"{at}.bn{index}", outputs)
            if block == 0:
                shapes[f"{at}.downsample.0.weight"] = (4 * width, inputs, 1, 1)
                shapes |= norm(f"{at}.downsample.1", 4 * width)
            inputs = 4 * width
    return shapes


def swin_names(blocks=(2, 2, 18, 2), heads=(4, 8, 16, 32), width=128, window=12) -> dict[str, tuple[int, ...]]:
    """Names and shapes of an official Swin state dict, with the classifier and the tables that follow from sizes."""
    shapes = {
        "patch_embed.proj.weight": (width, 3, 4, 4), "patch_embed.proj.bias": (width,),
        "patch_embed.norm.weight": (width,), "patch_embed.norm.bias": (width,),
        "norm.weight": (width << 3,), "norm.bias": (width << 3,), "head.weight": (1000, width << 3), "head.bias": (1000,),
    }  # fmt: skip
    for stage, count in enumerate(blocks):
        d = width << stage
        for block in range(count):
            at = f"layers.{stage}.blocks.{block}"
            if block % 2:
                shapes[f"{at}.attn_mask"] = (4, window**2, window**2)
            for name in ("norm1", "norm2"):
                shapes |= {f"{at}.{name}.weight": (d,), f"{at}.{name}.bias": (d,)}
            shapes[f"{at}.attn.relative_position_bias_table"] = ((2 * window - 1) ** 2, heads[stage])
            shapes[f"{at}.attn.relative_position_index"] = (window**2, window**2)
            for name, outputs, inputs in (("attn.qkv", 3 * d, d), ("attn.proj", d, d), ("mlp.fc1", 4 * d, d), ("mlp.fc2", d, 4 * d)):
                shapes |= {f"{at}.{name}.weight": (outputs, inputs), f"{at}.{name}.bias": (outputs,)}
        if stage < 3:
            at = f"layers.{stage}.downsample"
            shapes |= {f"{at}.reduction.weight": (2 * d, 4 * d), f"{at}.norm.weight": (4 * d,), f"{at}.norm.bias": (4 * d,)}
    return shapes


def drawn(shapes: dict[str, tuple[int, ...]]) -> dict[str, torch.Tensor]:
    random = torch.Generator().manual_seed(0)
    return {name: torch.rand(shape, generator=random) * 0.1 + 0.01 for name, shape in shapes.items()}


# Published weights with the classifier of 1,000 classes, and the classifier; what of ours the classifiers do not have.
PUBLISHED = [
    ("resnet50", 25_557_032, 2_049_000, 0),
    ("resnet101", 44_549_160, 2_049_000, 0),
    ("swin-b-w7", 87_768_224, 1_025_000, 2 * (128 + 256 + 512)),
    ("convnext-b", 88_591_464, 1_025_000, 2 * (128 + 256 + 512)),
]


@pytest.mark.parametrize(("name", "whole", "classifier", "own"), PUBLISHED)
def test_parameters_are_as_many_as_published(name, whole, classifier, own):
    encoder = on_meta(name)
    count = sum(value.numel() for value in encoder.parameters())
    # Frozen batch norms hold their scales and shifts as buffers.
    for module in encoder.modules():
        if isinstance(module, FrozenBatchNorm2d):
            count += module.weight.numel() + module.bias.numel()
    assert count - own == whole - classifier


def test_windows_of_12_only_have_larger_tables():
    count = sum(value.numel() for value in on_meta("swin-b").parameters())
    more = sum((23**2 - 13**2) * heads * blocks for heads, blocks in zip((4, 8, 16, 32), (2, 2, 18, 2)))
    assert count == 87_768_224 - 1_025_000 + 2 * (128 + 256 + 512) + more


@pytest.mark.parametrize("name", ["resnet50", "swin-b", "swin-b-w7", "convnext-b"])
def test_features_have_the_channels_and_sizes_they_declare(name):
    encoder = on_meta(name)
    with torch.device("meta"):
        features = encoder(torch.empty(2, 3, 96, 160))
    assert {stride: tuple(plane.shape) for stride, plane in features.items()} == {
        stride: (2, channels, 96 // stride, 160 // stride) for stride, channels in encoder.channels.items()
    }
    assert sorted(encoder.channels)[-4:] == [4, 8, 16, 32]


@pytest.mark.parametrize("name", ["resnet50", "swin-b-w7", "convnext-b"])
def test_a_cut_encoder_computes_and_early_weights_can_be_kept(name):
    torch.manual_seed(0)
    encoder = build_encoder(name, 8).train()
    encoder.freeze_up_to(4)
    features = encoder(torch.rand(1, 3, 56, 72) * 255)
    assert max(features) == 8 and all(plane.isfinite().all() and plane.std() > 1e-3 for plane in features.values())
    features[8].sum().backward()
    frozen = [name for name, value in encoder.named_parameters() if not value.requires_grad]
    assert frozen and all(not name.startswith(("layer2", "layers.1", "stages.1", "downsample_layers.1", "norms")) for name in frozen)
    trained = [value for value in encoder.parameters() if value.requires_grad]
    # The first norm feeds no deeper stage.
    assert sum(value.grad is not None for value in trained) >= len(trained) - 2
    encoder.freeze_up_to(0)


def test_an_unknown_encoder_is_refused_with_those_there_are():
    with pytest.raises(ValueError, match="no encoder 'vgg'; there are efficientnet-lite0, resnet50"):
        build_encoder("vgg", 32)


def test_resnet50_has_the_names_and_shapes_of_torchvision():
    own = {name: tuple(value.shape) for name, value in on_meta("resnet50").state_dict().items()}
    published = resnet50_names()
    assert len(published) == 320
    assert own == {name: shape for name, shape in published.items() if not name.startswith("fc.") and "tracked" not in name}


def test_swin_b_has_the_names_and_shapes_of_the_official_code():
    own = {name: tuple(value.shape) for name, value in on_meta("swin-b").state_dict().items() if not name.startswith("norms.")}
    left_out = ("norm.", "head.")
    tables = ("attn_mask", "relative_position_index")
    wanted = {name: shape for name, shape in swin_names().items() if not name.startswith(left_out) and not name.endswith(tables)}
    assert own == wanted


def test_resnet_loads_a_published_file_and_leaves_out_what_it_was_cut_before(tmp_path):
    published = drawn(resnet50_names(stages=3))
    published["bn1.num_batches_tracked"] = torch.tensor(7)
    torch.save(published, tmp_path / "resnet50.pth")
    encoder = ResNet("resnet50", deepest_stride=8)
    encoder.load_published(tmp_path / "resnet50.pth")
    for name, value in encoder.state_dict().items():
        assert torch.equal(value, published[name]), name


def test_swin_loads_a_published_file_whose_norm_is_the_last_stages(tmp_path, monkeypatch):
    small = {"blocks": (2, 1, 1, 1), "heads": (1, 1, 2, 2), "width": 8}
    for name, value in (("_BLOCKS", small["blocks"]), ("_HEADS", small["heads"]), ("_WIDTH", small["width"])):
        monkeypatch.setattr(swin, name, value)
    published = drawn(swin_names(**small))
    torch.save({"model": published}, tmp_path / "swin.pth")
    encoder = Swin("swin-b")
    encoder.load_published(tmp_path / "swin.pth")
    state = encoder.state_dict()
    assert torch.equal(state["norms.3.weight"], published["norm.weight"])
    assert torch.equal(state["norms.0.weight"], torch.ones(8))  # untrained
    assert all(torch.equal(value, published[name]) for name, value in state.items() if not name.startswith("norms."))

    with pytest.raises(WeightsError, match=r"relative_position_bias_table is \[529, 1\], but in swin-b-w7 it is \[169, 1\]"):
        Swin("swin-b-w7").load_published(tmp_path / "swin.pth")


def test_files_that_do_not_fit_are_refused(tmp_path):
    encoder = ResNet("resnet50", deepest_stride=4)
    with pytest.raises(WeightsError, match="there is no such file"):
        encoder.load_published(tmp_path / "nothing.pth")
    (tmp_path / "text.pth").write_text("weights")
    with pytest.raises(WeightsError, match="is no file of PyTorch tensors"):
        encoder.load_published(tmp_path / "text.pth")
    torch.save({"conv1.weight": torch.zeros(64, 3, 7, 7)}, tmp_path / "part.pth")
    with pytest.raises(WeightsError, match="lacks .* such as bn1.bias; give the ImageNet weights of this very encoder"):
        encoder.load_published(tmp_path / "part.pth")


def test_a_frozen_batch_norm_is_batch_norm_in_inference_and_never_learns():
    torch.manual_seed(0)
    norm, frozen = nn.BatchNorm2d(5).eval(), FrozenBatchNorm2d(5).train()
    state = {name: torch.rand_like(value) + 0.5 for name, value in norm.state_dict().items() if name != "num_batches_tracked"}
    norm.load_state_dict(state, strict=False)
    frozen.load_state_dict(state)
    x = torch.randn(2, 5, 4, 3)
    torch.testing.assert_close(frozen(x), norm(x))
    assert all(torch.equal(value, state[name]) for name, value in frozen.state_dict().items())
    assert not list(frozen.parameters())
    assert frozen(x.bfloat16()).dtype == torch.bfloat16


def by_hand(block: SwinBlock, x: torch.Tensor, top: int, left: int, side: int) -> torch.Tensor:
    """Attention inside one window, written out."""
    attention = block.attn
    pixels = block.norm1(x)[0, top : top + side, left : left + side].reshape(side * side, -1)
    query, key, value = attention.qkv(pixels).chunk(3, dim=-1)
    scores = query @ key.t() / query.shape[-1] ** 0.5
    for i in range(side * side):
        for j in range(side * side):
            dy, dx = i // side - j // side, i % side - j % side
            scores[i, j] += attention.relative_position_bias_table[(dy + side - 1) * (2 * side - 1) + dx + side - 1, 0]
    return attention.proj(scores.softmax(-1) @ value).reshape(side, side, -1)


def test_a_swin_block_attends_inside_its_windows():
    torch.manual_seed(0)
    block = SwinBlock(6, 1, 3, 0, 0.0).eval()
    nn.init.normal_(block.attn.relative_position_bias_table)
    x = torch.randn(1, 6, 9, 6)
    with torch.no_grad():
        mixed = block._attend(block.norm1(x), hidden_pairs(6, 9, 3, 1, x))
        for top, left in ((0, 0), (3, 6)):
            torch.testing.assert_close(mixed[0, top : top + 3, left : left + 3], by_hand(block, x, top, left, 3))


def test_moved_windows_lie_over_the_seams_and_do_not_wrap_around():
    torch.manual_seed(0)
    block = SwinBlock(6, 1, 4, 2, 0.0).eval()
    x = torch.randn(1, 8, 8, 6)
    hidden = hidden_pairs(8, 8, 4, 2, x)
    with torch.no_grad():
        torch.testing.assert_close(block._attend(block.norm1(x), hidden)[0, 2:6, 2:6], by_hand(block, x, 2, 2, 4))
        other = x.clone()
        other[0, 0, 0] += torch.tensor([9.0, -9, 0, 5, 0, -5])
        changed = (block(x, hidden) - block(other, hidden)).abs().sum(-1)[0] > 1e-6
    assert changed[:2, :2].all() and changed.sum() == 4  # the corner sees the corner, not the other borders


def test_drop_path_keeps_the_mean_and_does_nothing_in_inference():
    torch.manual_seed(0)
    drop, x = DropPath(0.25), torch.ones(4000, 1, 1)
    assert drop.train()(x).mean() == pytest.approx(1.0, abs=0.05)
    assert drop(x).unique().tolist() == pytest.approx([0.0, 4 / 3])
    assert drop.eval()(x) is x


def test_colours_are_standardised_as_imagenet_is():
    mean = torch.tensor([0.485, 0.456, 0.406]).view(1, 3, 1, 1) * 255
    plane = mean.expand(1, 3, 8, 8) + torch.tensor([0.229, 0.224, 0.225]).view(1, 3, 1, 1) * 255
    torch.testing.assert_close(ResNet("resnet50", 4).standardise(plane), torch.ones(1, 3, 8, 8))

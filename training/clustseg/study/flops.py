"""Parameters and FLOPs of a recipe's network: `python -m clustseg.study.flops --config configs/panoptic-coco-r50.json --size 800 1333`.

Nothing is computed: operations on tensors without contents are counted (PyTorch's FakeTensorMode and FlopCounterMode: matrix
products and convolutions, a multiplication and an addition each one FLOP). `--all` prints a table of the files in configs/ and of the
recipes that ship, and writes it by --json.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from clustseg.model.grid import cell_size, grid_for
from clustseg.model.network import SuperpixelClustSeg, SuperpixelConfig
from clustseg.model.rca import Centres
from clustseg.model.universal import UniversalClustSeg, UniversalConfig
from clustseg.training.recipe_files import SuperpixelRecipe, load_recipe
from clustseg.training.recipes import RECIPES

# Height and width at which networks are counted: what their test images mostly have.
SIZES = {
    "coco": (800, 1333), "ade20k": (640, 853), "bsds500": (321, 481), "camvid": (360, 480), "dsb2018": (256, 256), "voc": (240, 320),
}  # fmt: skip
# Seeds of a scene where their number follows the scene, and superpixels.
SEEDS, SUPERPIXELS = 16, 300
_PARTS = {
    "encoder": "encoder", "decoder": "decoder", "memory": "starts", "seeds": "starts", "start": "starts", "free_classes": "starts", "layers": "rca", "after": "exchange",
}  # fmt: skip


def parameters_of(network: nn.Module) -> dict[str, int]:
    """Weights by part: encoder (with the scales of frozen batch norms), decoder, starts, rca, exchange (self-attention of centres),
    heads, and their total. The class memory's queue is data and does not count."""
    counts = dict.fromkeys(("encoder", "decoder", "starts", "rca", "exchange", "heads"), 0)
    tensors = list(network.named_parameters())
    tensors += [(name, value) for name, value in network.named_buffers() if ".bn" in name or ".downsample." in name]
    for name, value in tensors:
        if name.endswith(("running_mean", "running_var", "num_batches_tracked")):
            continue
        counts[_PARTS.get(name.removeprefix("backbone.").split(".")[0], "heads")] += value.numel()
    return {**counts, "total": sum(counts.values())}


def count(config: UniversalConfig | SuperpixelConfig, height: int, width: int) -> dict[str, object]:
    """Parameters, and FLOPs of one image of height x width by part: encoder, decoder, and clustering (starts, RCA, heads)."""
    rows, columns = grid_for(SUPERPIXELS, height, width)
    tall, wide = cell_size(torch.tensor([height, width]), torch.tensor([rows, columns])).tolist()
    with FakeTensorMode():
        if isinstance(config, UniversalConfig):
            network = UniversalClustSeg(config).eval()
            flops = _mask_flops(network, height, width)
        else:
            network = SuperpixelClustSeg(config).eval()
            flops = _superpixel_flops(network, rows, columns, torch.empty(1, 3, rows * tall, columns * wide))
    return {"size": [height, width], "parameters": parameters_of(network), "flops": {**flops, "total": sum(flops.values())}}


def counted(work: Callable[[], Any]) -> tuple[Any, int]:
    """What `work` gives, and its FLOPs. Attention is spelt out: fused, its operations are not seen."""
    with torch.no_grad(), sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
        result = work()
    return result, counter.get_total_flops()


def _mask_flops(network: UniversalClustSeg, height: int, width: int) -> dict[str, int]:
    config = network.config
    # As MaskInference prepares an image.
    seen, given = config.zoom
    whole = config.deepest_stride * seen
    sides = (side * seen // given for side in (height, width))
    image = torch.empty(1, 3, *(side + -side % whole for side in sides))
    _, encoder = counted(lambda: network.encoder(image))
    pixels, seen = counted(lambda: network.see(image))

    def cluster():
        semantic = not config.has_things
        centres = network.class_centres(1, None if semantic else config.stuff)
        first = centres.features.shape[1]
        if not semantic:
            cells = torch.zeros(1, SEEDS, dtype=torch.long)
            seeds = network.seed_centres(pixels, cells) if config.start == "peaks" else network.scene_centres(pixels)
            names = ("features", "positions", "tightness", "prior")
            centres = Centres(*(torch.cat([getattr(centres, name), getattr(seeds, name)], dim=1) for name in names))
        hidden = torch.zeros(centres.features.shape[:2], dtype=torch.bool)
        return network.cluster(pixels, centres, hidden, first).steps[-1].scores()

    _, clustering = counted(cluster)
    return {"encoder": encoder, "decoder": seen - encoder, "clustering": clustering}


def _superpixel_flops(network: SuperpixelClustSeg, rows: int, columns: int, image: Tensor) -> dict[str, int]:
    _, encoder = counted(lambda: network.backbone.encoder(image))
    features, backbone = counted(lambda: network.backbone(image))
    _, clustering = counted(lambda: network.cluster(features, rows, columns))
    return {"encoder": encoder, "decoder": backbone - encoder, "clustering": clustering}


def table(folder: Path) -> dict[str, dict[str, object]]:
    """Every file of `folder` and every recipe that ships, by name."""
    rows = {path.stem: counted_file(path) for path in sorted(folder.glob("*.json"))}
    for name, recipe in RECIPES.items():
        rows[f"clustseg-{name}"] = count(recipe.config, *SIZES[recipe.folder])
    rows["clustseg-superpixel"] = count(SuperpixelConfig(), *SIZES["bsds500"])
    return rows


def counted_file(path: Path, size: Sequence[int] | None = None) -> dict[str, object]:
    recipe = load_recipe(path)
    folder = "bsds500" if isinstance(recipe, SuperpixelRecipe) else recipe.folder
    return count(recipe.config, *(size or SIZES.get(folder, (512, 512))))


def markdown(rows: dict[str, dict]) -> str:
    """The table as docs/paper.md has it."""
    lines = [
        "| network | image | parameters (encoder + decoder + the rest) | GFLOPs (encoder + decoder + clustering) |",
        "|---|---|---|---|",
    ]
    for name, row in rows.items():
        weights, flops = row["parameters"], row["flops"]
        rest = weights["total"] - weights["encoder"] - weights["decoder"]
        parts = " + ".join(f"{number / 1e6:.2f}" for number in (weights["encoder"], weights["decoder"], rest))
        work = " + ".join(f"{flops[part] / 1e9:.1f}" for part in ("encoder", "decoder", "clustering"))
        height, width = row["size"]
        lines.append(
            f"| {name} | {width} x {height} | {weights['total'] / 1e6:.2f} M ({parts}) | {flops['total'] / 1e9:.1f} ({work}) |"
        )
    return "\n".join(lines)


def main(given: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--config", type=Path)
    parser.add_argument("--size", type=int, nargs=2, metavar=("HEIGHT", "WIDTH"), help="default: that of the data's test images")
    parser.add_argument("--all", type=Path, metavar="FOLDER", help="every recipe in this folder, and those that ship")
    parser.add_argument("--json", type=Path, help="write the numbers here too")
    arguments = parser.parse_args(given)
    if (arguments.config is None) == (arguments.all is None):
        parser.error("give --config or --all")
    if arguments.all:
        rows = table(arguments.all)
        print(markdown(rows))
    else:
        rows = {arguments.config.stem: counted_file(arguments.config, arguments.size)}
        for name, row in rows.items():
            print(name, "on an image of {1} x {0}".format(*row["size"]))
            for kind, scale, unit in (("parameters", 1e6, "M"), ("flops", 1e9, "GFLOPs")):
                for part, number in row[kind].items():
                    print(f"  {kind:<10} {part:<10} {number / scale:10.3f} {unit}")
    if arguments.json:
        arguments.json.parent.mkdir(parents=True, exist_ok=True)
        arguments.json.write_text(json.dumps(rows, indent=1) + "\n")


if __name__ == "__main__":
    main()

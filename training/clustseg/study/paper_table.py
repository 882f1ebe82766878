"""Writes the tables of docs/paper.md: `python -m clustseg.study.paper_table`.

What the paper reports stands in configs/*.json and below; what is trained here is read from configs/ and the recipes; what was
measured comes from results/*.json (clustseg.evaluate, clustseg.evaluate_config, clustseg.study.ablate_superpixels, clustseg.study.ablate_masks,
clustseg.study.variants, clustseg.study.flops). A table stands between two comments that name it.
"""

from __future__ import annotations

import argparse
import json
import re
from collections.abc import Sequence
from pathlib import Path

from clustseg.losses.paper import PaperLossWeights
from clustseg.model.network import SuperpixelConfig
from clustseg.study.ablate_masks import format_rows as semantic_rows
from clustseg.study.ablate_superpixels import format_rows as superpixel_rows
from clustseg.study.documents import filled
from clustseg.study.flops import markdown
from clustseg.training.recipe_files import FileRecipe, SuperpixelRecipe, load_recipe
from clustseg.training.recipes import RECIPES, Recipe
from clustseg.training.superpixels import parse_arguments as superpixel_arguments

COMMAND = "python -m clustseg.study.paper_table"
NOTHING = "not measured"

# What ships: a file of results, and figures as "task.name" with a title.
BUNDLES = (
    ("panoptic", "clustseg-photo-voc-val.json", (("panoptic.pq_things", "PQ of six classes of things"),)),
    ("instance", "clustseg-photo-voc-val.json", (("instance.coco_ap", "AP of the six"),)),
    ("instance", "clustseg-nuclei-dsb2018-val.json", (("instance.ap50", "Bowl AP50"), ("instance.map", "Bowl mean"))),
    ("semantic", "clustseg-street-camvid-test.json", (("semantic.miou", "mIoU"),)),
    ("semantic", "clustseg-photo-voc-val.json", (("semantic.miou", "mIoU of the six and background"),)),
    ("superpixel", "clustseg-bsds500-test.json", ()),
    ("superpixel", "clustseg-photo-bsds500-test.json", ()),
)  # fmt: skip
# The paper's ablation on COCO panoptic val with ResNet-50, PQ; and how the names of rows here begin that ask the same.
ABLATION = (
    ("T = 1", "53.8", ("T = 1",)),
    ("T = 2", "54.1", ("T = 2",)),
    ("T = 3, the whole method", "54.3", ("RCA, T = 3",)),
    ("last E-step supervised only", "53.0", ("last E-step supervised only",)),
    ("vanilla cross-attention instead of RCA", "51.0", ("vanilla cross-attention",)),
    ("no Dreamy-Start (superpixels: random centres; semantic: free queries)", "53.2", ("random start", "learned free queries")),
)  # fmt: skip


def read(path: Path) -> dict | None:
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else None


def config_rows(configs: Path) -> list[str]:
    """What each file of configs/ trains."""
    lines = ["| file | E-steps, at strides | rate | batch | length | crop, scale | losses |", "|---|---|---|---|---|---|---|"]
    for path in sorted(configs.glob("*.json")):
        recipe = load_recipe(path)
        plan, config = recipe.plan, recipe.config
        length = f"{plan.iterations:,} steps" if plan.iterations else f"{plan.epochs:g} epochs"
        crop = (recipe.crop, recipe.crop) if isinstance(recipe, SuperpixelRecipe) else recipe.augment.crop
        scale = recipe.scale if isinstance(recipe, SuperpixelRecipe) else recipe.augment.scale
        last = config.finest_steps if isinstance(recipe, SuperpixelRecipe) else 1
        steps = " ".join([*(f"{config.steps}@{stride}" for stride in config.levels[:-1]), f"{last}@{config.levels[-1]}"])
        lines.append(
            f"| {recipe.name} | {steps} | {recipe.rate:g} | {recipe.batch} | {length} | {crop[0]} x {crop[1]}, "
            f"{scale[0]:g} to {scale[1]:g} | {_losses(recipe)} |"
        )
    return lines


def _losses(recipe: FileRecipe | SuperpixelRecipe) -> str:
    """The weights that are not zero, in words."""
    if isinstance(recipe, SuperpixelRecipe):
        weights = recipe.weights
        return f"smooth-L1 {weights.smooth_l1:g}, SLIC {weights.slic:g} (positions in it {weights.position:g})"
    if recipe.config.tasks == ("semantic",):
        return f"cross-entropy {recipe.weights.cross_entropy:g}, dice {recipe.weights.dice:g}"
    weights: PaperLossWeights = recipe.paper_weights
    if not weights.auxiliary:
        return f"binary cross-entropy {weights.entropy:g}, dice {weights.dice:g}, class {weights.classes:g}"
    inside = f"PQ-style {weights.pq:g}, mask-id {weights.mask_id:g}, discrimination {weights.discrimination:g}, semantic {weights.semantic:g}"
    return f"thing {weights.thing:g}, stuff {weights.stuff:g}, auxiliary {weights.auxiliary:g} ({inside})"


def shipped_rows() -> list[str]:
    """What is trained for the bundles that ship."""
    lines = ["| bundle | encoder, deepest stride | RCA at strides | rate | batch | crop, scale | losses |", "|---|---|---|---|---|---|---|"]
    rows: list[tuple[str, Recipe]] = list(RECIPES.items())
    for name, recipe in rows:
        config, weights, augment = recipe.config, recipe.weights, recipe.augment
        losses = [f"cross-entropy {weights.cross_entropy:g}, dice {weights.dice:g}"]
        if config.has_things:
            losses.append(f"class {weights.classes:g}, centre map {weights.centre_map:g}, offsets {weights.offsets:g}")
        levels = ", ".join(map(str, config.levels))
        lines.append(
            f"| clustseg-{name} | {config.encoder}, {config.deepest_stride} | {levels} | {recipe.rate:g} | {recipe.batch} | "
            f"{augment.crop[0]} x {augment.crop[1]}, {augment.scale[0]:g} to {augment.scale[1]:g} | {', '.join(losses)} |"
        )
    # The command's defaults are the recipe.
    chosen, config, scale = superpixel_arguments(["--run", "."]), SuperpixelConfig(), SuperpixelRecipe.scale
    lines.append(
        f"| clustseg-superpixel | {config.encoder}, {config.deepest_stride} | {', '.join(map(str, config.levels))} | {chosen.rate:g} | "
        f"{chosen.batch} | {chosen.crop} x {chosen.crop}, {scale[0]:g} to {scale[1]:g} | "
        f"smooth-L1 {chosen.smooth_l1:g}, SLIC {chosen.slic:g} (positions in it {chosen.position:g}) |"
    )
    return lines


def published_rows(configs: Path, results: Path) -> list[str]:
    """The paper's main figures, by configuration, beside those that `clustseg.evaluate_config --json results/<name>.json` found."""
    lines = ["| configuration | the paper | measured here |", "|---|---|---|"]
    for path in sorted(configs.glob("*.json")):
        recipe, found = load_recipe(path), read(results / path.name)
        published = recipe.published
        figure = published.metric if published.value is None else f"{published.metric} {published.value}"
        figures = [] if found is None else [found.get(name) for name in ("panoptic_pq", "instance_ap", "semantic_miou")]
        own = next((f"{100 * value:.1f} on val" for value in figures if value is not None), f"{NOTHING}: needs GPUs")
        lines.append(f"| {recipe.name} | {figure}, {published.split} | {own} |")
    return lines


def bundle_rows(results: Path) -> list[str]:
    """What ships, on its own data: no comparison with the paper's figures, another one of its kind."""
    lines = ["| task | bundle | data | measured here |", "|---|---|---|---|"]
    for task, file, wanted in BUNDLES:
        found = read(results / file)
        if found is None:
            continue
        if "rows" in found:
            cells = [
                f"K = {row['asked']}: ASA {row['asa']:.3f}, CO {row['co']:.3f}" for row in found["rows"] if row["asked"] in (100, 300, 1000)
            ]
        else:
            cells = [f"{title} {_figure(found, name)}" for name, title in wanted]
        data = f"{found['data']} {found['split']}, {found['images']} images"
        bundle = re.search(r"clustseg-\w+ [\d.]+", found["name"])[0]
        lines.append(f"| {task} | {bundle} | {data} | {'; '.join(cells)} |")
    return lines


def _figure(found: dict, name: str) -> str:
    task, key = name.split(".")
    value = found.get("tasks", {}).get(task, {}).get("figures", {}).get(key)
    return NOTHING if value is None else f"{value:.3f}"


def ablation_rows(results: Path) -> list[str]:
    """The paper's ablation beside the small ones here, which are short runs of small networks on other tasks."""
    superpixel, semantic = read(results / "ablation-superpixel.json"), read(results / "ablation-semantic.json")
    columns = {}
    if superpixel:
        columns["superpixels here, ASA at K = 300"] = {row["name"]: f"{row['val'][1]['asa']:.4f}" for row in superpixel["rows"]}
    if semantic:
        columns["semantic here, mIoU"] = {row["name"]: f"{row['val']['semantic_miou']:.3f}" for row in semantic["rows"]}
    lines = ["| variant | the paper, COCO PQ | " + " | ".join(columns) + " |", "|---" * (2 + len(columns)) + "|"]
    for title, published, names in ABLATION:
        cells = [next((value for name, value in found.items() if name.startswith(names)), NOTHING) for found in columns.values()]
        lines.append(f"| {title} | {published} | {' | '.join(cells)} |")
    return lines


def whole_ablations(results: Path) -> list[str]:
    """Every row of the ablations that there are."""
    lines: list[str] = []
    superpixel, semantic = read(results / "ablation-superpixel.json"), read(results / "ablation-semantic.json")
    if superpixel:
        lines += [f"Superpixels ({_said(superpixel)}; `python -m clustseg.study.ablate_superpixels`):", "", *superpixel_rows(superpixel["rows"]).split("\n")]
    if semantic:
        lines += ["", f"Semantic ({_said(semantic)}; `python -m clustseg.study.ablate_masks`):", "", *semantic_rows(semantic["rows"]).split("\n")]
    return lines


def _said(found: dict) -> str:
    return f"{found['data']} {found['split']}, the first {found['images']} images, {found['iterations']} steps a row"


def precision_rows(results: Path) -> list[str]:
    """The exported superpixel graph in other number formats (clustseg.study.variants)."""
    found = read(results / "variants-superpixel.json")
    if found is None:
        return []
    lines = ["| graph | ASA | CO | ms an image | bytes |", "|---|---|---|---|---|"]
    for row in found["rows"]:
        lines.append(f"| {row['variant']} | {row['asa']:.4f} | {row['co']:.4f} | {row['ms']:.0f} | {row['bytes']:,} |")
    said = f"{found['data']} {found['split']}, {found['images']} images, K = {found['superpixels']}"
    return [*lines, "", f"On {said}, two busy cores (`python -m clustseg.study.variants`)."]


def tables(configs: Path, results: Path) -> dict[str, list[str]]:
    """Every table of docs/paper.md, by name."""
    return {
        "configurations": config_rows(configs),
        "bundles' recipes": shipped_rows(),
        "published": published_rows(configs, results),
        "bundles": bundle_rows(results),
        "ablation beside the paper": ablation_rows(results),
        "ablations": whole_ablations(results),
        "precision": precision_rows(results),
        "size": markdown(read(results / "flops.json") or {}).split("\n"),
    }


def main(given: Sequence[str] | None = None) -> None:
    root = Path(__file__).parents[2]
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--configs", type=Path, default=root / "configs")
    parser.add_argument("--results", type=Path, default=root / "results")
    parser.add_argument("--doc", type=Path, default=root.parent / "docs" / "paper.md")
    arguments = parser.parse_args(given)
    text = filled(arguments.doc.read_text(encoding="utf-8"), tables(arguments.configs, arguments.results), COMMAND)
    arguments.doc.write_text(text, encoding="utf-8")
    print(f"{arguments.doc}: tables written")


if __name__ == "__main__":
    main()

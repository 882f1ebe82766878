"""The superpixel bundle's figures in model.json, and its model card; `clustseg.card` calls it."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path

from clustseg.study.ablate_superpixels import format_rows

EVALUATE = (
    "python -m clustseg.evaluate --bundle ../models/clustseg-superpixel --split test "
    "--json results/clustseg-bsds500-test.json"
)
HEADLINE = (100, 300, 600, 1000)
NAMES = {"asa": "ASA", "ue": "undersegmentation error", "br": "boundary recall (2 px)", "bp": "boundary precision (2 px)", "co": "compactness"}


def metrics_of(evaluation: dict) -> list[dict]:
    """The rows that model.json carries: one figure each, with where it comes from."""
    return [
        {
            "data": evaluation["data"],
            "split": evaluation["split"],
            "images": evaluation["images"],
            "name": name,
            "at": f"K = {row['asked']}, {row['found']:.0f} found",
            "value": round(row[key], 4),
            "command": EVALUATE,
        }
        for row in evaluation["rows"]
        if row["asked"] in HEADLINE
        for key, name in NAMES.items()
    ]


def at_found(rows: list[dict], found: float, key: str) -> float | None:
    """A peer's figure at `found` segments, linear between its two nearest measurements; None outside its range."""
    ordered = sorted(rows, key=lambda row: row["found"])
    for low, high in zip(ordered, ordered[1:]):
        if low["found"] <= found <= high["found"] and high["found"] > low["found"]:
            share = (found - low["found"]) / (high["found"] - low["found"])
            return low[key] + share * (high[key] - low[key])
    return None


def quality_table(evaluation: dict) -> str:
    lines = ["| K asked | found (mean, max) | ASA | UE | BR | BP | CO |", "|--:|--:|--:|--:|--:|--:|--:|"]
    for row in evaluation["rows"]:
        figures = " | ".join(f"{row[key]:.4f}" for key in ("asa", "ue", "br", "bp", "co"))
        lines.append(f"| {row['asked']} | {row['found']:.0f}, {row['found_max']} | {figures} |")
    return "\n".join(lines)


def peers_table(evaluation: dict, peers: dict) -> str:
    """ASA / CO of every peer at the numbers of segments that ClustSeg finds."""
    rows = [row for row in evaluation["rows"] if row["asked"] in HEADLINE]
    head = "| at segments found | " + " | ".join(f"{row['found']:.0f}" for row in rows) + " |"
    lines = [head, "|---" + "|--:" * len(rows) + "|"]
    lines.append("| **ClustSeg** | " + " | ".join(f"**{row['asa']:.4f} / {row['co']:.3f}**" for row in rows) + " |")
    for peer in peers["peers"]:
        cells = []
        for row in rows:
            asa, co = (at_found(peer["rows"], row["found"], key) for key in ("asa", "co"))
            cells.append("-" if asa is None else f"{asa:.4f} / {co:.3f}")
        lines.append(f"| {peer['name']} ({peer['package']}) | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def precision_section(variants: dict) -> list[str]:
    """Why the graph computes in fp32: what int8 gave beside it."""
    lines = ["| arithmetic | ASA | CO | ms, of fp32 | MB |", "|---|--:|--:|--:|--:|"]
    base = variants["rows"][0]
    for row in variants["rows"]:
        lines.append(f"| {row['variant']} | {row['asa']:.4f} | {row['co']:.4f} | {row['ms'] / base['ms']:.2f} | {row['bytes'] / 1e6:.1f} |")
    return [
        "### Precision",
        f"{variants['images']} images of {variants['data']} {variants['split']}, K = {variants['superpixels']}, one thread, in turns (`python -m clustseg.study.variants`). "
        "What ships is fp32: int8 costs more accuracy than its speed is worth, and fp16 has no CPU kernels to speak of.",
        "\n".join(lines),
    ]


def card(manifest: dict, evaluation: dict, peers: dict, ablation: dict | None, variants: dict | None) -> str:
    training = manifest["training"]
    sections = [
        f"# {manifest['name']} {manifest['version']}",
        "Superpixels by ClustSeg (Liang et al., ICML 2023): any number of them, from one graph with all pixels inside.",
        "## In short",
        f"- Task: {', '.join(manifest['tasks'])}. {training['parameters']:,} parameters, {manifest['graph']['bytes'] / 1e6:.1f} MB "
        f"(weights stored as fp16, arithmetic in {manifest['graph']['precision']}).\n"
        f"- Trained on: {training['data']}. {training['steps']:,} steps, {training['minutes']} minutes on a CPU; {training['recipe']}.\n"
        f"- Terms of the data: {training['terms']}\n"
        f"- Licence of the weights: {manifest['licence']}.",
        "## Figures",
        f"{evaluation['data']} {evaluation['split']}, {evaluation['images']} images, mean over images of the mean over annotators, at "
        "segments *found* after connectivity. Boundary recall and precision allow 2 px; CO is Schick et al. 2012, the exact "
        "formulas are in `training/clustseg/metrics/superpixels.py`.",
        quality_table(evaluation),
        f"Made by `{EVALUATE}` in `training/`.",
        "### Beside others, at equal numbers found",
        "ASA / CO; a peer's figures are interpolated between its two nearest measurements (`python -m clustseg.study.peers`).",
        peers_table(evaluation, peers),
    ]
    if ablation:
        sections += [
            "### Ablation",
            f"Short runs ({ablation['iterations']} steps of 4 crops of 192 px, against the bundle's {training['steps']:,} of 256 px), each with one "
            f"switch changed, on {ablation['images']} images of {ablation['data']} {ablation['split']} (`python -m clustseg.study.ablate_superpixels`). They "
            "rank the choices; they do not say what each would reach in a long run.",
            format_rows(ablation["rows"]),
        ]
    if variants:
        sections += precision_section(variants)
    sections += ["## Limits", "\n".join(f"- {limit}" for limit in manifest["limits"])]
    return "\n\n".join(sections) + "\n"


def main(given: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bundle", type=Path, required=True)
    parser.add_argument("--results", type=Path, default=Path("results"))
    arguments = parser.parse_args(given)
    path = arguments.bundle / "model.json"
    manifest = json.loads(path.read_text())
    evaluation = json.loads((arguments.results / "clustseg-bsds500-test.json").read_text())
    if evaluation["sha256"] != manifest["graph"]["sha256"]:
        raise SystemExit(f"results are of graph {evaluation['sha256'][:12]}, the bundle has {manifest['graph']['sha256'][:12]}: evaluate it again")
    peers = json.loads((arguments.results / "peers-bsds500-test.json").read_text())
    ablation, variants = (
        json.loads(path.read_text()) if path.exists() else None
        for path in (arguments.results / "ablation-superpixel.json", arguments.results / "variants-superpixel.json")
    )
    manifest["metrics"] = metrics_of(evaluation)
    path.write_text(json.dumps(manifest, indent=2) + "\n")
    (arguments.bundle / "README.md").write_text(card(manifest, evaluation, peers, ablation, variants))
    print(f"{path} and its README.md: {len(manifest['metrics'])} figures")


if __name__ == "__main__":
    main()

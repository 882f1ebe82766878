"""Training keeps what belongs together on one device. There need not be a GPU to find out."""

import json
import os
import subprocess
import sys
from pathlib import Path

from paper_cases import write_ade20k, write_bsds500, write_coco
from test_distributed import TINY

SUPERPIXELS = {
    "name": "tiny-superpixels",
    "task": "superpixel",
    "data": {"reader": "bsds500"},
    "network": {
        "deepest_stride": 8, "widths": {"8": 16, "4": 16, "2": 8, "1": 8}, "levels": [4, 1], "centre_channels": 16, "key_channels": 8,
        "similarity": "dot", "m_step": "sum",
    },
    "training": {"rate": 1e-3, "batch": 2, "iterations": 2},
}  # fmt: skip


def test_no_step_of_any_task_mixes_devices(tmp_path):
    write_bsds500(write_ade20k(write_coco(tmp_path, images=2, things=3, stuff=2)), images=1)
    network = {name: value for name, value in TINY["network"].items() if name not in ("start", "queries", "auxiliary")}
    instances = {"reader": "coco-instances", "folder": "coco", "classes": {"things": 3, "stuff": 1}}
    scenes = {"reader": "ade20k", "folder": "ade20k", "classes": {"things": 0, "stuff": 150}}
    wholes = (
        # Every term that there is.
        {**TINY, "loss": {"classes": 2.0}},
        {**TINY, "task": "instance", "data": instances, "network": {**network, "positions": "offsets", "seed_stride": 4}},
        {**TINY, "task": "semantic", "data": scenes, "network": network},
        SUPERPIXELS,
    )
    for index, whole in enumerate(wholes):
        (tmp_path / f"{index}.json").write_text(json.dumps(whole))
    configs = [str(tmp_path / f"{index}.json") for index in range(len(wholes))]
    tests = Path(__file__).parents[1]
    paths = {"PYTHONPATH": os.pathsep.join([str(tests.parent), str(tests)])}
    done = subprocess.run(
        [sys.executable, str(tests / "pretend_device.py"), str(tmp_path), *configs], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        text=True, env={**os.environ, **paths}, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-3000:]
    assert "4 files on one device" in done.stdout

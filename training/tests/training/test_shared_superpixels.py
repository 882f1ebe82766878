"""A mask network's trunk is taught superpixels, and stays as it is."""

import json

import torch
from mask_cases import tiny_network, tiny_recipe
from paper_cases import write_bsds500

from clustseg.training.masks import trainer_of
from clustseg.training.shared_superpixels import main


def test_what_is_trained_is_what_superpixels_need(tmp_path):
    write_bsds500(tmp_path)
    trunk = tmp_path / "trunk"
    trainer_of(tiny_network(), tiny_recipe(), "tiny", trunk, 1, 10).save()
    run = tmp_path / "superpixels"
    command = ["--trunk", str(trunk), "--run", str(run), "--data", str(tmp_path), "--threads", "1"]
    main([*command, "--iterations", "1", "--batch", "1", "--crop", "64", "--evaluate-images", "1"])
    saved = torch.load(run / "checkpoint.pt", map_location="cpu", weights_only=True)
    assert saved["step"] == 1 and saved["config"]["trunk"] == "trunk"
    assert any(name.startswith("backbone.finer.") for name in saved["average"])
    assert not any("encoder" in name or "trunk" in name for name in saved["average"])
    last = json.loads((run / "log.jsonl").read_text().splitlines()[-1])
    assert [row["asked"] for row in last["val"]] == [100, 300, 600]

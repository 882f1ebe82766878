"""The int8 variant is built and measured beside the graph that ships."""

import json
from pathlib import Path

import pytest
from paper_cases import write_bsds500

pytest.importorskip("onnxruntime")

from clustseg.study.variants import main  # noqa: E402

BUNDLE = Path(__file__).parents[3] / "models" / "clustseg-superpixel"


@pytest.mark.skipif(not (BUNDLE / "model.onnx").exists(), reason="needs the bundle of superpixels")
def test_the_int8_variant_is_smaller_and_answers(tmp_path):
    write_bsds500(tmp_path, images=1)
    out = tmp_path / "results" / "variants.json"
    main(["--bundle", str(BUNDLE), "--data", str(tmp_path), "--images", "1", "--superpixels", "20", "--json", str(out)])
    whole, small = json.loads(out.read_text())["rows"]
    assert (whole["variant"], small["variant"]) == ("fp32", "int8")
    assert small["bytes"] < whole["bytes"] and 0 < small["asa"] <= 1 and 0 < small["co"] <= 1

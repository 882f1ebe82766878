"""Other methods are asked for the number of superpixels at which they find as many as ClustSeg."""

import numpy as np
import pytest
from paper_cases import write_bsds500

from clustseg.study.peers import PEERS, main, search_asked


def halves(image: np.ndarray, asked: int) -> np.ndarray:
    """A method that finds half of what it is asked for, in columns."""
    width = image.shape[1]
    return np.broadcast_to(np.arange(width) * max(1, asked // 2) // width, image.shape[:2])


def test_what_to_ask_is_read_off_what_is_found(tmp_path):
    dataset = write_bsds500(tmp_path) / "bsds500"
    few, many = search_asked(halves, dataset, "val", [10, 30])
    assert few == pytest.approx(20, abs=3) and many == pytest.approx(60, abs=4)
    assert search_asked(halves, dataset, "val", [10, 10]) == [few]


def test_a_method_that_never_finds_enough_is_asked_for_no_more_than_eight_times_as_many(tmp_path):
    asked = []

    def one(image: np.ndarray, number: int) -> np.ndarray:
        asked.append(number)
        return np.zeros(image.shape[:2], np.int64)

    search_asked(one, write_bsds500(tmp_path, images=1) / "bsds500", "val", [10])
    assert max(asked) <= 8 * 10 * 2**0.5


def test_unknown_peers_are_refused_with_the_names_that_there_are(tmp_path, capsys):
    with pytest.raises(SystemExit, match="2"):
        main(["--data", str(write_bsds500(tmp_path)), "--peers", "SLIC,SNIC"])
    assert f"Expected names of {', '.join(peer.name for peer in PEERS)} but received SNIC" in " ".join(capsys.readouterr().err.split())

"""The picture of superpixel metrics over segments found."""

from PIL import Image

from clustseg.study.curves import STYLES, _series, draw_curves
from clustseg.study.peers import PEERS


def rows(*found: int) -> list[dict]:
    return [{"found": number, "asa": 0.9, "br": 0.8, "co": 0.3, "ue": 0.1} for number in found]


def test_a_curve_goes_from_few_segments_to_many():
    made = [{"found": 300, "asa": 0.95}, {"found": 100, "asa": 0.9}]
    assert _series(made, "asa") == ([100, 300], [0.9, 0.95])


def test_every_peer_has_a_style_of_its_own():
    assert set(STYLES) == {peer.name for peer in PEERS}
    assert len({style[:2] for style in STYLES.values()}) == len({style[2] for style in STYLES.values()}) == len(STYLES)


def test_the_picture_is_drawn_into_a_folder_that_is_not_there_yet(tmp_path):
    ours = {"images": 3, "split": "test", "rows": rows(100, 400)}
    peers = {"peers": [{"name": name, "rows": rows(90, 500)} for name in STYLES]}
    path = tmp_path / "images" / "curves.png"
    draw_curves(ours, peers, path)
    with Image.open(path) as picture:
        assert picture.size == (1560, 1260)

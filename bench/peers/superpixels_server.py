"""Other superpixel methods, timed, for bench/superpixels-vs-slic.ts: one JSON document a line, in and out.

    -> (started)                                        <- {"python", "peers": [{name, package}], "missing": [{name, package, reason}]}
    -> {"load": {"path", "width", "height"}}            <- {"loaded": true}      raw interleaved RGB, kept until the next one
    -> {"run": {"peer", "superpixels"}}                 <- {"ms", "cpu_ms", "segments"}

Only the call is timed: RGB in memory to labels in memory. The methods and their settings are those of clustseg.study.peers, which
are also the ones whose quality is measured.
"""

from __future__ import annotations

import importlib.metadata
import platform
import sys
import time
from pathlib import Path

from line_protocol import open_replies, requests

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "training"))


def available(names: list[str]) -> tuple[dict, list[dict], list[dict]]:
    """The peers that can be run, by name, and for the greeting those that can and those that cannot."""
    try:
        import numpy as np

        from clustseg.study.peers import PEERS
    except ImportError as error:
        return {}, [], [{"name": name, "package": "", "reason": str(error)} for name in names]
    probe = (np.indices((64, 64)).sum(0)[..., None] * np.array([1, 2, 3])).astype(np.uint8)
    segments, present, missing = {}, [], []
    for peer in PEERS:
        if peer.name not in names:
            continue
        try:
            segment = peer.make()
            segment(probe, 16)  # what is imported or compiled at the first call is not of the method
        except ImportError as error:
            missing.append({"name": peer.name, "package": peer.package, "reason": str(error)})
            continue
        segments[peer.name] = segment
        version = importlib.metadata.version(peer.package)
        present.append({"name": peer.name, "package": f"{peer.package} {version}"})
    return segments, present, missing


def main() -> None:
    reply = open_replies()
    segments, present, missing = available(sys.argv[1].split(","))
    reply({"python": platform.python_version(), "peers": present, "missing": missing})
    image = None
    for request in requests():
        if "load" in request:
            import numpy as np

            load = request["load"]
            image = np.fromfile(load["path"], np.uint8).reshape(load["height"], load["width"], 3)
            reply({"loaded": True})
            continue
        run = request["run"]
        segment = segments[run["peer"]]
        cpu, begin = time.process_time(), time.perf_counter()
        labels = segment(image, run["superpixels"])
        ms = (time.perf_counter() - begin) * 1000
        cpu_ms = (time.process_time() - cpu) * 1000
        reply({"ms": ms, "cpu_ms": cpu_ms, "segments": len(set(labels.ravel().tolist()))})


if __name__ == "__main__":
    main()

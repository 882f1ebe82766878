"""What the exported graph computes for the mask tasks: image in, one winner a pixel out. Traced as it stands by export_masks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from clustseg.model.rca import Centres
from clustseg.model.universal import Clustering, Pixels, UniversalClustSeg, peaks

NO_LABEL = 65535
SEED_THRESHOLD = 0.1


@dataclass(frozen=True)
class Calibration:
    """What turns raw scores into probabilities (clustseg.calibrate): (a, b) of sigmoid(a logit(score) + b), a > 0 (Platt, 1999).

    `semantic`: classes of the semantic task; `stuff` and `things`: of the others. (1, 0) leaves scores as they are.
    """

    semantic: tuple[float, float] = (1.0, 0.0)
    stuff: tuple[float, float] = (1.0, 0.0)
    things: tuple[float, float] = (1.0, 0.0)

    def to_dict(self) -> dict[str, list[float]]:
        return {name: list(pair) for name, pair in asdict(self).items()}

    @staticmethod
    def from_dict(values: dict[str, Sequence[float]]) -> "Calibration":
        return Calibration(**{name: tuple(values[name]) for name in asdict(Calibration()) if name in values})


def calibrated(score: Tensor, pair: tuple[float, float]) -> Tensor:
    """Scores 0..1 by one (a, b) of a Calibration. 0, which says that there is nothing, stays 0."""
    if pair == (1.0, 0.0):
        return score
    inside = score.clamp(1e-4, 1 - 1e-4)
    probability = torch.sigmoid(pair[0] * torch.log(inside / (1 - inside)) + pair[1])
    return torch.where(score > 0, probability, torch.zeros_like(score))


@dataclass(frozen=True)
class Chosen:
    """What was chosen on val and is built into the graph (clustseg.calibrate, clustseg.tune).

    `seed_threshold`: a peak of the centre map below this is no seed. Low: the class head has the last word.
    """

    calibration: Calibration = Calibration()
    seed_threshold: float = SEED_THRESHOLD


@dataclass(frozen=True)
class MaskResult:
    """labels int32 [N, H, W]: cluster, 65535 = none. class_id int64 [N, K], score [N, K], seeds [N, K, 2] as (x, y) in parts of the
    frame, -1 without a place; clustering: for the E-steps."""

    labels: Tensor
    class_id: Tensor
    score: Tensor
    seeds: Tensor
    clustering: Clustering


class MaskInference(nn.Module):
    """`task` is "semantic" or "panoptic". `upsample`: "scores" (few clusters) or "pixels" (many), the same up to rounding.

    `ids` are what class_id says of each class; default: its position.
    """

    def __init__(
        self,
        network: UniversalClustSeg,
        task: str,
        normalise: bool = False,
        upsample: str = "scores",
        chosen: Chosen = Chosen(),
        ids: Sequence[int] | None = None,
    ) -> None:
        super().__init__()
        self.network, self.task, self.normalise, self.upsample = network, task, normalise, upsample
        self.calibration, self.seed_threshold = chosen.calibration, chosen.seed_threshold
        config = network.config
        ids = range(len(config.things)) if ids is None else ids
        things = [ids[index] for index, thing in enumerate(config.things) if thing]
        self.register_buffer("thing_ids", torch.tensor(things or [0]), persistent=False)
        classes = list(ids) if task == "semantic" else [ids[index] for index in config.stuff]
        self.register_buffer("class_ids", torch.tensor(classes), persistent=False)

    def prepared(self, image: Tensor) -> Tensor:
        """uint8 [N, H, W, 3] -> float [N, 3, H', W'] with whole multiples of the deepest stride, the border repeated.

        Zoomed, where the configuration says so.
        """
        planes = image.permute(0, 3, 1, 2).to(self.network.memory.queue.dtype)
        if self.normalise:
            planes = normalised(planes)
        seen, given = self.network.config.zoom
        if seen != given:
            planes = F.interpolate(planes, scale_factor=seen / given, mode="bilinear", align_corners=False)
        height, width = planes.shape[-2:]
        # Such that also the way back from the zoom is by whole pixels.
        whole = self.network.config.deepest_stride * seen
        return F.pad(planes, (0, -width % whole, 0, -height % whole), mode="replicate")

    def starts(self, pixels: Pixels) -> tuple[Centres, Tensor, Tensor]:
        """Centres, hidden [N, K] and flat seed cells [N, S] (S = 0 for semantic)."""
        network = self.network
        batch = next(iter(pixels.features.values())).shape[0]
        if self.task == "semantic":
            centres = network.class_centres(batch)
            return centres, torch.zeros_like(centres.features[..., 0], dtype=torch.bool), None
        stuff = network.class_centres(batch, network.config.stuff)
        if network.config.start != "peaks":
            both = [torch.cat(pair, dim=1) for pair in zip(_fields(stuff), _fields(network.scene_centres(pixels)))]
            return Centres(*both), torch.zeros_like(both[0][..., 0], dtype=torch.bool), None
        heights = peaks(pixels.centre_map, network.config.seed_window, self.seed_threshold)
        count = (heights > 0).sum(dim=1).amax().clamp_min(1)
        if not torch.jit.is_tracing():
            count = int(count)
        value, cells = torch.topk(heights, count, dim=1)
        seeds = network.seed_centres(pixels, cells)
        hidden = torch.cat([torch.zeros_like(stuff.features[..., 0], dtype=torch.bool), value <= 0], dim=1)
        both = [torch.cat(pair, dim=1) for pair in zip(_fields(stuff), _fields(seeds))]
        return Centres(*both), hidden, cells

    def forward(self, image: Tensor, threshold: Tensor, mask_threshold: Tensor) -> MaskResult:
        """image uint8 [N, H, W, 3], threshold and mask_threshold [1]."""
        return self.head(self.network.see(self.prepared(image)), image, threshold, mask_threshold)

    def head(self, pixels: Pixels, image: Tensor, threshold: Tensor, mask_threshold: Tensor) -> MaskResult:
        """What follows the task-free part; of `image` only the size is read."""
        network = self.network
        height, width = image.shape[1], image.shape[2]
        centres, hidden, cells = self.starts(pixels)
        classes = len(self.class_ids)
        result = network.cluster(pixels, centres, hidden, classes)
        last = result.steps[-1]
        batch = image.shape[0]
        class_id = self.class_ids.view(1, -1).expand(batch, -1)
        coarse = torch.matmul(last.query, last.pixels.flatten(2))
        shut = hidden
        if self.task == "semantic":
            score = calibrated(mean_posterior(coarse), self.calibration.semantic)
        else:
            certainty, which = result.classes.softmax(dim=-1)[..., :-1].max(dim=-1)
            class_id = torch.cat([class_id, self.thing_ids[which]], dim=1)
            # A thing's score does not depend on the threshold: it is measured where all seeds take part, as in training.
            quality = mean_posterior(coarse)
            of_seeds = calibrated(quality[:, classes:] * certainty, self.calibration.things)
            score = torch.cat([calibrated(quality[:, :classes], self.calibration.stuff), of_seeds], dim=1)
            shut = torch.cat([hidden[:, :classes], hidden[:, classes:] | (of_seeds < threshold)], dim=1)
            coarse = _closed(coarse, shut)
        # Clusters x pixels at the image's resolution is the largest array there is: made once, read once. The posterior is
        # taken at the finest level's resolution and enlarged.
        tall, wide = last.pixels.shape[-2:]
        if self.upsample == "pixels":
            query = torch.cat([last.query[..., :-1], last.query[..., -1:] - shut.unsqueeze(-1) * 1e4], dim=-1)
            whole = self.enlarged(last.pixels, last.stride)
            winner = torch.matmul(query, whole.flatten(2)).argmax(dim=1).reshape(batch, *whole.shape[-2:])
        else:
            winner = self.enlarged(coarse.reshape(batch, -1, tall, wide), last.stride).argmax(dim=1)
        sure = self.enlarged(best_posterior(coarse).reshape(batch, 1, tall, wide), last.stride)[:, 0]
        labels = torch.where(sure < mask_threshold, torch.full_like(winner, NO_LABEL), winner)[:, :height, :width].to(torch.int32)
        score = torch.where(shut, torch.zeros_like(score), score)
        seeds = self.seed_places(result, cells, pixels, classes, height, width)
        return MaskResult(labels, class_id, score, seeds, result)

    def enlarged(self, plane: Tensor, stride: int) -> Tensor:
        """A level's map [N, D, h, w] at the resolution of the image (and its padding), bilinear."""
        seen, given = self.network.config.zoom
        if seen == given:
            return F.interpolate(plane, scale_factor=float(stride), mode="bilinear", align_corners=False)
        height, width = plane.shape[-2:]
        size = (height * stride * given // seen, width * stride * given // seen)
        return F.interpolate(plane, size=size, mode="bilinear", align_corners=False)

    def seed_places(self, result: Clustering, cells: Tensor | None, pixels: Pixels, classes: int, height: int, width: int) -> Tensor:
        """(x, y) of the seeds in parts of the frame, [N, K, 2]."""
        nowhere = result.centres.features[..., :2] * 0.0 - 1.0
        if cells is None:
            return nowhere
        nowhere = nowhere[:, :classes]
        seen, given = self.network.config.zoom
        stride = self.network.config.seed_stride * given / seen
        columns = pixels.centre_map.shape[-1]
        x = (torch.remainder(cells, columns).to(nowhere.dtype) + 0.5) * stride / width
        y = (torch.div(cells, columns, rounding_mode="floor").to(nowhere.dtype) + 0.5) * stride / height
        return torch.cat([nowhere, torch.stack([x, y], dim=-1)], dim=1)


def normalised(planes: Tensor) -> Tensor:
    """Each image with mean 127 and a standard deviation of 64 over its pixels and channels. [N, 3, H, W].

    Microscopes differ in exposure by a factor of ten; three channels keep their proportions.
    """
    mean = planes.mean(dim=(1, 2, 3), keepdim=True)
    deviation = (planes - mean).square().mean(dim=(1, 2, 3), keepdim=True).sqrt().clamp_min(2.0)
    return ((planes - mean) / deviation).clamp(-4.0, 4.0) * 64.0 + 127.0


def _closed(scores: Tensor, shut: Tensor) -> Tensor:
    """Scores [N, K, P] in which clusters that are `shut` [N, K] win nothing."""
    return scores - shut.to(scores.dtype).unsqueeze(-1) * 1e4


def best_posterior(scores: Tensor) -> Tensor:
    """The winner's posterior at each pixel. [N, K, P] -> [N, 1, P]."""
    return 1.0 / torch.exp(scores - scores.amax(dim=1, keepdim=True)).sum(dim=1, keepdim=True)


def mean_posterior(scores: Tensor) -> Tensor:
    """Of each cluster the mean posterior over the pixels that it wins, 0 if it wins none. [N, K, P] -> [N, K]."""
    won = (scores >= scores.amax(dim=1, keepdim=True)).to(scores.dtype)
    sums = torch.matmul(won, best_posterior(scores).transpose(1, 2))[..., 0]
    return sums / won.sum(dim=-1).clamp_min(1.0)


def _fields(centres: Centres) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    return centres.features, centres.positions, centres.tightness, centres.prior


def step_labels(clustering: Clustering, height: int | Tensor, width: int | Tensor, zoom: tuple[int, int] = (1, 1)) -> Tensor:
    """The winner at each E-step, int32 [N, S, h, w] at the finest level's stride, for an image of height x width."""
    finest = clustering.steps[-1].stride
    frames = []
    for step in clustering.steps:
        frame = step.scores().argmax(dim=1, keepdim=True).float()
        if step.stride != finest:
            frame = F.interpolate(frame, scale_factor=float(step.stride // finest), mode="nearest")
        frames.append(frame)
    seen, given = zoom
    tall, wide = ((side * seen // given + finest - 1) // finest for side in (height, width))
    return torch.cat(frames, dim=1)[..., :tall, :wide].to(torch.int32)

"""What the exported graph computes for the mask tasks: image in, one winner a pixel out. Traced as it stands by export_masks."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .rca import Centres
from .universal import Clustering, Pixels, UniversalClustSeg, peaks

NO_LABEL = 65535
# A peak of the centre map below this is no seed. Low: the class head has the last word.
SEED_THRESHOLD = 0.1


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
    """`task` is "semantic" or "panoptic". `upsample`: "scores" (few clusters) or "pixels" (many), the same up to rounding."""

    def __init__(self, network: UniversalClustSeg, task: str, normalise: bool = False, upsample: str = "scores") -> None:
        super().__init__()
        self.network, self.task, self.normalise, self.upsample = network, task, normalise, upsample
        config = network.config
        things = [index for index, thing in enumerate(config.things) if thing]
        self.register_buffer("thing_ids", torch.tensor(things or [0]), persistent=False)
        chosen = list(range(len(config.things))) if task == "semantic" else list(config.stuff)
        self.register_buffer("class_ids", torch.tensor(chosen), persistent=False)

    def prepared(self, image: Tensor) -> Tensor:
        """uint8 [N, H, W, 3] -> float [N, 3, H', W'] with whole multiples of the deepest stride, the border repeated."""
        planes = image.permute(0, 3, 1, 2).to(self.network.memory.queue.dtype)
        if self.normalise:
            planes = normalised(planes)
        height, width = planes.shape[-2:]
        whole = self.network.config.deepest_stride
        return F.pad(planes, (0, -width % whole, 0, -height % whole), mode="replicate")

    def starts(self, pixels: Pixels) -> tuple[Centres, Tensor, Tensor]:
        """Centres, hidden [N, K] and flat seed cells [N, S] (S = 0 for semantic)."""
        network = self.network
        batch = next(iter(pixels.features.values())).shape[0]
        if self.task == "semantic":
            centres = network.class_centres(batch)
            return centres, torch.zeros_like(centres.features[..., 0], dtype=torch.bool), None
        stuff = network.class_centres(batch, network.config.stuff)
        heights = peaks(pixels.centre_map, network.config.seed_window, SEED_THRESHOLD)
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
        shut = hidden
        certainty = None
        if self.task != "semantic":
            chances = result.classes.softmax(dim=-1)
            certainty, which = chances[..., :-1].max(dim=-1)
            class_id = torch.cat([class_id, self.thing_ids[which]], dim=1)
            shut = torch.cat([hidden[:, :classes], hidden[:, classes:] | (certainty < threshold)], dim=1)
        query = torch.cat([last.query[..., :-1], last.query[..., -1:] - shut.unsqueeze(-1) * 1e4], dim=-1)
        whole = last.pixels
        if self.upsample == "pixels":
            whole = F.interpolate(whole, scale_factor=float(last.stride), mode="bilinear", align_corners=False)
        tall, wide = whole.shape[-2:]
        coarse = torch.matmul(query, last.pixels.flatten(2))
        if self.upsample == "pixels":
            scores = torch.matmul(query, whole.flatten(2)).reshape(batch, -1, tall, wide)
        else:
            scores = coarse.reshape(batch, -1, tall, wide)
            scores = F.interpolate(scores, scale_factor=float(last.stride), mode="bilinear", align_corners=False)
        scores = scores[..., :height, :width]
        best, winner = scores.max(dim=1)
        posterior = 1.0 / torch.exp(scores - best.unsqueeze(1)).sum(dim=1)
        labels = torch.where(posterior < mask_threshold, torch.full_like(winner, NO_LABEL), winner).to(torch.int32)
        quality = mean_posterior(coarse)
        score = quality if certainty is None else torch.cat([quality[:, :classes], quality[:, classes:] * certainty], dim=1)
        score = torch.where(shut, torch.zeros_like(score), score)
        seeds = self.seed_places(result, cells, pixels, classes, height, width)
        return MaskResult(labels, class_id, score, seeds, result)

    def seed_places(self, result: Clustering, cells: Tensor | None, pixels: Pixels, classes: int, height: int, width: int) -> Tensor:
        """(x, y) of the seeds in parts of the frame, [N, K, 2]."""
        nowhere = result.centres.features[:, :classes, :2] * 0.0 - 1.0
        if cells is None:
            return nowhere
        stride = self.network.config.seed_stride
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


def mean_posterior(scores: Tensor) -> Tensor:
    """Of each cluster the mean posterior over the pixels that it wins, 0 if it wins none. [N, K, P] -> [N, K]."""
    best, _ = scores.max(dim=1, keepdim=True)
    weights = torch.exp(scores - best)
    posterior = 1.0 / weights.sum(dim=1, keepdim=True)
    won = (scores >= best).to(scores.dtype)
    return (won * posterior).sum(dim=-1) / won.sum(dim=-1).clamp_min(1.0)


def _fields(centres: Centres) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    return centres.features, centres.positions, centres.tightness, centres.prior


def step_labels(clustering: Clustering, height: int | Tensor, width: int | Tensor) -> Tensor:
    """The winner at each E-step, int32 [N, S, h, w] at the finest level's stride."""
    finest = clustering.steps[-1].stride
    frames = []
    for step in clustering.steps:
        frame = step.scores().argmax(dim=1, keepdim=True).float()
        if step.stride != finest:
            frame = F.interpolate(frame, scale_factor=float(step.stride // finest), mode="nearest")
        frames.append(frame)
    tall, wide = (height + finest - 1) // finest, (width + finest - 1) // finest
    return torch.cat(frames, dim=1)[..., :tall, :wide].to(torch.int32)

"""What a mask network is taught: batches of crops, and their loss."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from clustseg.data.augment import random_crop
from clustseg.data.fitted_crop import FittedAugment, fitted_crop
from clustseg.data.samples import Samples
from clustseg.data.targets import IGNORED, CropTargets, centre_map_target, crop_targets, label_planes, match_seeds
from clustseg.losses.masks import assignment_loss, centre_map_loss, offset_loss, sample_points
from clustseg.model.infer import SEED_THRESHOLD, normalised
from clustseg.model.rca import Centres
from clustseg.model.universal import Pixels, UniversalClustSeg, peaks
from clustseg.training.distributed import Precision, World
from clustseg.training.recipes import Recipe


@dataclass(frozen=True)
class Batch:
    """image float [N, 3, H, W] in 0..255 and the targets of each crop, which stay on the CPU."""

    image: Tensor
    targets: list[CropTargets]

    def to(self, device: torch.device) -> "Batch":
        return Batch(self.image.to(device, non_blocking=True), self.targets)


class Batches:
    """Random crops, drawn with replacement; `batch` of them, the recipe's number by default."""

    def __init__(
        self, samples: Samples, recipe: Recipe, frequency: list[float] | None, seed: int | tuple[int, int], batch: int | None = None
    ) -> None:
        self.samples, self.recipe = samples, recipe
        self.batch = recipe.batch if batch is None else batch
        self.crop = fitted_crop if isinstance(recipe.augment, FittedAugment) else random_crop
        self.rng = np.random.default_rng(seed)
        weights = np.array(frequency if frequency else [1.0] * len(samples))
        self.chances = weights / weights.sum()

    def __next__(self) -> Batch:
        recipe = self.recipe
        images, targets = [], []
        for index in self.rng.choice(len(self.samples), self.batch, p=self.chances):
            sample = self.samples[int(index)]
            image, planes = self.crop(sample.image, label_planes(sample), recipe.augment, self.rng)
            images.append(image)
            targets.append(crop_targets(planes, sample, recipe.config.things))
        image = torch.stack(images)
        return Batch(normalised(image) if recipe.normalise else image, targets)


def class_weights(samples: Samples, balance: float) -> Tensor:
    """1 / frequency ** balance of each class over the data set, mean 1 over pixels; at most ten times the smallest."""
    counts = np.zeros(len(samples.categories))
    for sample in samples:
        counts += np.bincount(sample.categories, sample.areas.astype(float), len(counts))
    frequency = np.maximum(counts / counts.sum(), 1e-6)
    weights = np.minimum(frequency**-balance, 10 * (frequency**-balance).min())
    return torch.from_numpy(weights / (weights * frequency).sum()).float()


def border_of(clusters: Tensor, reach: int = 3) -> Tensor:
    """Where another cluster is at most `reach` pixels away. int64 [H, W] -> bool [H, W].

    Half of the points are taken there: outlines are what is hard, and both of their sides are seen equally often (taking
    more points of objects than of what is around them made masks a pixel too wide).
    """
    plane = clusters.float()[None, None]
    window = 2 * reach + 1
    highest = torch.nn.functional.max_pool2d(plane, window, stride=1, padding=reach)
    lowest = -torch.nn.functional.max_pool2d(-plane, window, stride=1, padding=reach)
    return (highest != lowest)[0, 0]


class MaskObjective:
    """The loss of a batch for a network and the tasks of its recipe. Targets are made on the CPU, the rest where images are."""

    def __init__(
        self,
        network: UniversalClustSeg,
        recipe: Recipe,
        weights_of_classes: Tensor,
        seed: int,
        world: World = World(),
        precision: Precision = Precision(),
    ) -> None:
        self.network, self.recipe, self.weights_of_classes = network, recipe, weights_of_classes
        self.world, self.precision = world, precision
        self.rng = np.random.default_rng(seed)
        things = [index for index, thing in enumerate(recipe.config.things) if thing]
        self.thing_rank = torch.full((len(recipe.config.things),), -1, dtype=torch.long)
        self.thing_rank[things] = torch.arange(len(things))

    def __call__(self, batch: Batch, progress: float) -> tuple[Tensor, dict[str, float]]:
        network, tasks = self.network, self.recipe.config.tasks
        with self.precision.autocast(batch.image.device):
            pixels = network.see(batch.image)
        self._remember(pixels, batch)
        total, parts = batch.image.new_zeros(()), {}
        if "semantic" in tasks:
            loss, of_task = self.semantic(pixels, batch)
            total, parts = total + loss, {f"semantic_{name}": value for name, value in of_task.items()}
        if "panoptic" in tasks or "instance" in tasks:
            loss, of_task = self.panoptic(pixels, batch, progress)
            total, parts = total + loss, parts | of_task
        return total, parts

    def _remember(self, pixels: Pixels, batch: Batch) -> None:
        """Shows the class memory this batch's pixels, and those of the other processes, so that all have one memory."""
        memory, stride = self.network.memory, self.recipe.config.levels[0]
        features = pixels.features[stride].detach()
        found = []
        for one, target in zip(features, batch.targets):
            labels = target.semantic[stride // 2 :: stride, stride // 2 :: stride].reshape(-1)
            found.append(memory.sums_of(one.flatten(1).t(), labels.to(one.device)))
        for sums, counts in zip(*(self.world.gather(torch.stack(parts)) for parts in zip(*found))):
            memory.put(sums, counts)

    def semantic(self, pixels: Pixels, batch: Batch) -> tuple[Tensor, dict[str, float]]:
        network, recipe = self.network, self.recipe
        size = tuple(batch.image.shape[-2:])
        centres = network.class_centres(len(batch.targets))
        device = batch.image.device
        hidden = torch.zeros(centres.features.shape[:2], dtype=torch.bool, device=device)
        steps = network.cluster(pixels, centres, hidden, centres.features.shape[1]).steps
        points, truth = [], []
        for target in batch.targets:
            known = target.semantic >= 0
            at = sample_points(known, known, recipe.points)
            points.append(at)
            truth.append(target.semantic.reshape(-1)[at])
        at, wanted = torch.stack(points).to(device), torch.stack(truth).to(device)
        weights = self.weights_of_classes.to(device)
        return assignment_loss(steps, at, wanted, size, recipe.weights, weights, dice_over_batch=True)

    def panoptic(self, pixels: Pixels, batch: Batch, progress: float) -> tuple[Tensor, dict[str, float]]:
        network, recipe = self.network, self.recipe
        config, weights = recipe.config, recipe.weights
        size = tuple(batch.image.shape[-2:])
        stride = config.seed_stride
        total, parts = self._maps(pixels, batch)
        heights = peaks(pixels.centre_map.detach(), config.seed_window, max(SEED_THRESHOLD, 0.15))
        heights = heights.reshape(len(batch.targets), size[0] // stride, size[1] // stride).cpu()
        # True middles first, when the centre map knows nothing; then mostly its own peaks, which is what comes later.
        trust = min(0.8, 2.5 * progress)
        matches = [
            match_seeds(height, target, stride, recipe.most_seeds, self.rng, predicted=bool(self.rng.random() < trust))
            for height, target in zip(heights, batch.targets)
        ]
        count = max(1, max(len(match.cells) for match in matches))
        cells = torch.zeros(len(matches), count, dtype=torch.long)
        hidden = torch.ones(len(matches), count, dtype=torch.bool)
        owner = torch.full((len(matches), count), -1, dtype=torch.long)
        known = torch.zeros(len(matches), count, dtype=torch.bool)
        for row, match in enumerate(matches):
            found = len(match.cells)
            cells[row, :found], hidden[row, :found] = match.cells, False
            owner[row, :found], known[row, :found] = match.owner, match.known
        device = batch.image.device
        stuff = network.class_centres(len(matches), config.stuff)
        seeds = network.seed_centres(pixels, cells.to(device))
        first = len(config.stuff)
        fields = ("features", "positions", "tightness", "prior")
        both = Centres(*(torch.cat([getattr(stuff, name), getattr(seeds, name)], dim=1) for name in fields))
        shut = torch.cat([torch.zeros(len(matches), first, dtype=torch.bool), hidden], dim=1)
        result = network.cluster(pixels, both, shut.to(device), first)
        points, truth = [], []
        for target, own in zip(batch.targets, owner):
            # Clusters by object and by stuff class; unmatched objects (more than there may be seeds) are not counted.
            cluster_of = torch.full((len(target.classes) + 1,), -1, dtype=torch.long)
            matched = (own >= 0).nonzero()[:, 0]
            cluster_of[own[matched]] = first + matched
            rank = torch.full((len(config.things) + 1,), -1, dtype=torch.long)
            rank[list(config.stuff)] = torch.arange(first)
            objects = target.objects
            clusters = torch.where(objects >= 0, cluster_of[objects.clamp_min(0)], rank[target.semantic])
            clusters = torch.where(objects == IGNORED, torch.full_like(clusters, -1), clusters)
            at = sample_points(clusters >= 0, border_of(clusters), recipe.points)
            points.append(at)
            truth.append(clusters.reshape(-1)[at])
        at, wanted = torch.stack(points).to(device), torch.stack(truth).to(device)
        loss, of_masks = assignment_loss(result.steps, at, wanted, size, weights)
        total, parts = total + loss, parts | of_masks
        if weights.classes and bool(known.any()):
            classes = torch.full_like(owner, sum(config.things))
            for row, target in enumerate(batch.targets):
                real = owner[row] >= 0
                classes[row, real] = self.thing_rank[target.classes[owner[row, real]]]
            per_class = torch.ones(sum(config.things) + 1)
            per_class[-1] = weights.no_object
            logits, wanted = result.classes[known.to(device)], classes[known].to(device)
            entropy = torch.nn.functional.cross_entropy(logits, wanted, weight=per_class.to(device))
            total = total + weights.classes * entropy
            parts["classes"] = entropy.item()
        parts["seeds"] = float((~hidden).sum()) / len(matches)
        return total, parts

    def _maps(self, pixels: Pixels, batch: Batch) -> tuple[Tensor, dict[str, float]]:
        """Losses of the centre map and of the offsets."""
        config, weights = self.recipe.config, self.recipe.weights
        stride = config.seed_stride
        maps, offsets, known_maps, owned = [], [], [], []
        for target in batch.targets:
            centre, known = centre_map_target(target, stride)
            objects = target.objects[stride // 2 :: stride, stride // 2 :: stride]
            height, width = objects.shape
            where = torch.stack(torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")).float() * stride + stride / 2
            middles = target.middles if len(target.middles) else torch.zeros(1, 2)
            to_middle = (middles[objects.clamp_min(0)].permute(2, 0, 1) + 0.5 - where) / config.position_unit
            maps.append(centre)
            known_maps.append(known)
            offsets.append(to_middle)
            owned.append(objects >= 0)
        device = batch.image.device
        focal = centre_map_loss(pixels.centre_map[:, 0], torch.stack(maps).to(device), torch.stack(known_maps).to(device))
        shift = offset_loss(pixels.offsets, torch.stack(offsets).to(device), torch.stack(owned).to(device))
        return weights.centre_map * focal + weights.offsets * shift, {"centre_map": focal.item(), "offsets": shift.item()}

"""The paper's panoptic and instance training: K seeds without places, matched to objects by Hungarian matching."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from clustseg.data.targets import IGNORED, CropTargets
from clustseg.losses.mask_objective import Batch, MaskObjective, border_of
from clustseg.losses.masks import sample_points, vectors_at
from clustseg.losses.paper import PaperLossWeights, hungarian, instance_discrimination, mask_terms, pq_loss, stuff_entropy
from clustseg.model.rca import Centres
from clustseg.model.universal import Clustering, Pixels

# Of all points, E-steps before the last one are compared at every third.
_THIN = 3


class HungarianObjective(MaskObjective):
    """MaskObjective for starts "pool" and "free", with PaperLossWeights. The seeds keep their objects over all E-steps: those
    that the last one's masks match best."""

    @property
    def masks(self) -> PaperLossWeights:
        return getattr(self.recipe, "paper_weights", PaperLossWeights())

    def panoptic(self, pixels: Pixels, batch: Batch, progress: float) -> tuple[Tensor, dict[str, float]]:
        network, recipe, device = self.network, self.recipe, batch.image.device
        config, weights = recipe.config, self.masks
        size = tuple(batch.image.shape[-2:])
        count, first = len(batch.targets), len(config.stuff)
        stuff, seeds = network.class_centres(count, config.stuff), network.scene_centres(pixels)
        names = ("features", "positions", "tightness", "prior")
        centres = Centres(*(torch.cat([getattr(stuff, name), getattr(seeds, name)], dim=1) for name in names))
        hidden = torch.zeros(centres.features.shape[:2], dtype=torch.bool, device=device)
        result = network.cluster(pixels, centres, hidden, first)

        # At this size of crop even finding borders takes long on a CPU.
        regions = [self._regions(target).to(device) for target in batch.targets]
        drawn = [sample_points(region >= 0, border_of(region), recipe.points).to(device) for region in regions]
        points, truth = torch.stack(drawn), torch.stack([region.reshape(-1)[at] for region, at in zip(regions, drawn)])
        samples: dict[int, Tensor] = {}
        scores = []
        for step in result.steps:
            if step.stride not in samples:
                samples[step.stride] = vectors_at(step.pixels, points, *size)
            last = step is result.steps[-1]
            scores.append(step.query @ (samples[step.stride] if last else samples[step.stride][..., ::_THIN]))
        owner = self._match(scores[-1], result, truth, batch.targets)

        targets, classes = [], []
        for row, target in zip(owner, batch.targets):
            # Regions are numbered by object behind the stuff; clusters by seed. Objects beyond the seeds are not counted.
            matched = (row >= 0).nonzero()[:, 0]
            cluster_of = torch.full((first + len(target.classes) + 1,), -1)
            cluster_of[:first] = torch.arange(first)
            cluster_of[first + row[matched]] = first + matched
            targets.append(cluster_of.to(device)[truth[len(targets)]])
            wanted = torch.full((len(row),), sum(config.things))
            wanted[matched] = self.thing_rank[target.classes[row[matched]]]
            classes.append(wanted)
        targets, classes = torch.stack(targets), torch.stack(classes).to(device)
        masks, parts = self._masks(scores, targets, (owner >= 0).to(device), first, weights)
        total = masks
        if weights.classes:
            per_class = torch.ones(result.classes.shape[-1], device=device)
            per_class[-1] = weights.no_object
            entropy = F.cross_entropy(result.classes.flatten(0, 1), classes.flatten(), weight=per_class)
            total, parts["classes"] = total + weights.classes * entropy, entropy.item()
        if weights.auxiliary:
            extra, of_extra = self._auxiliary(scores[-1], targets, classes, result, pixels, points, batch, first)
            total, parts = total + weights.auxiliary * extra, parts | of_extra
        parts["matched"] = float((owner >= 0).sum()) / count
        return total, parts

    def _regions(self, target: CropTargets) -> Tensor:
        """Each pixel's stuff class as its place among these, or behind them its object; -1 = not known. int64 [H, W]."""
        stuff = self.recipe.config.stuff
        rank = torch.full((len(self.recipe.config.things) + 1,), -1)
        rank[torch.tensor(stuff, dtype=torch.long)] = torch.arange(len(stuff))
        regions = torch.where(target.objects >= 0, len(stuff) + target.objects, rank[target.semantic])
        return torch.where(target.objects == IGNORED, torch.full_like(regions, -1), regions)

    @torch.no_grad()
    def _match(self, scores: Tensor, result: Clustering, truth: Tensor, targets: list[CropTargets]) -> Tensor:
        """The object of each seed, int64 [N, Q], -1 = none; by the half of the points that lies evenly over the image."""
        weights, first = self.masks, len(self.recipe.config.stuff)
        even = truth.shape[1] - truth.shape[1] // 2
        shares = scores[..., :even].softmax(dim=1)[:, first:]
        chances = result.classes.softmax(dim=-1)
        owner = []
        for row, target in enumerate(targets):
            own = truth[row, :even]
            objects = torch.arange(len(target.classes), device=own.device)[:, None] + first == own
            known = own >= 0
            of_class = chances[row][:, self.thing_rank[target.classes].to(own.device)]
            owner.append(hungarian(shares[row][:, known], of_class, objects[:, known], weights))
        return torch.stack(owner)

    @staticmethod
    def _masks(
        scores: list[Tensor], targets: Tensor, matched: Tensor, first: int, weights: PaperLossWeights
    ) -> tuple[Tensor, dict[str, float]]:
        """The masks of things and stuff at every E-step."""
        things = torch.cat([torch.zeros_like(matched[:, :1]).expand(-1, first), matched], dim=1)
        total, parts = scores[-1].new_zeros(()), {}
        for index, logits in enumerate(scores):
            last = index == len(scores) - 1
            weight = 1.0 if last else weights.deep_supervision
            if weight == 0.0:
                continue
            truth = targets if last else targets[:, ::_THIN]
            present = (truth[:, :, None] == torch.arange(first, device=truth.device)).any(dim=1)
            stuff = torch.cat([present, torch.zeros_like(matched)], dim=1)
            of_things = mask_terms(logits, truth, things)
            of_stuff = stuff_entropy(logits, truth, first), mask_terms(logits, truth, stuff)[1]
            for group, (entropy, dice) in ((weights.thing, of_things), (weights.stuff, of_stuff)):
                total = total + weight * group * (weights.entropy * entropy + weights.dice * dice)
            if last:
                parts = {
                    "thing_entropy": of_things[0].item(),
                    "thing_dice": of_things[1].item(),
                    "stuff_entropy": of_stuff[0].item(),
                    "stuff_dice": of_stuff[1].item(),
                }
        return total, parts

    def _auxiliary(
        self,
        logits: Tensor,
        targets: Tensor,
        classes: Tensor,
        result: Clustering,
        pixels: Pixels,
        points: Tensor,
        batch: Batch,
        first: int,
    ) -> tuple[Tensor, dict[str, float]]:
        """PQ-style loss, mask-id cross-entropy, instance discrimination and semantic cross-entropy at the last E-step."""
        weights, network = self.masks, self.network
        terms = {"pq": pq_loss(logits, targets, result.classes, classes, first)}
        counted = bool((targets >= 0).any())
        terms["mask_id"] = F.cross_entropy(logits, targets, ignore_index=-1) if counted else logits.sum() * 0.0
        if network.config.auxiliary:
            finest = pixels.features[network.config.levels[-1]]
            semantic, embeddings = network.auxiliary(vectors_at(finest, points, *batch.image.shape[-2:]))
            terms["discrimination"] = instance_discrimination(embeddings, targets)
            truth = torch.stack([target.semantic.reshape(-1) for target in batch.targets]).to(points.device).gather(1, points)
            known = bool((truth >= 0).any())
            terms["semantic"] = F.cross_entropy(semantic, truth, ignore_index=-1) if known else semantic.sum() * 0.0
        total = sum(getattr(weights, name) * term for name, term in terms.items())
        return total, {name: term.item() for name, term in terms.items()}

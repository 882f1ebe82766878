"""Heads that exist for auxiliary losses only; inference never runs them."""

from __future__ import annotations

from torch import Tensor, nn


class AuxiliaryHeads(nn.Module):
    """From pixel vectors [N, D, P] of the finest level: logits of classes [N, C, P], and embeddings [N, E, P] whose
    directions are to tell objects apart (instance_discrimination of losses/paper.py)."""

    def __init__(self, channels: int, classes: int, embedding: int = 128) -> None:
        super().__init__()
        self.semantic = nn.Conv1d(channels, classes, 1)
        self.embed = nn.Conv1d(channels, embedding, 1)

    def forward(self, vectors: Tensor) -> tuple[Tensor, Tensor]:
        return self.semantic(vectors), self.embed(vectors)

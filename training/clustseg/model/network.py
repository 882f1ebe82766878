"""ClustSeg: pixel encoder, pixel decoder, Dreamy-Start, RCA decoder. A task is a start, a head and a loss on these parts."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from clustseg.model.color import RgbToLab
from clustseg.model.decoder import PixelDecoder
from clustseg.model.encoders import build_encoder
from clustseg.model.grid import CELL_MULTIPLE, cell_positions, cell_size, from_cells, grid_positions, grid_tensor, to_cells
from clustseg.model.rca import GridNeighbourhood, IndexedGridNeighbourhood, RecurrentCrossAttention
from clustseg.model.starts import GridStart


@dataclass(frozen=True)
class SuperpixelConfig:
    """Everything that shapes the superpixel network; stored in checkpoints."""

    encoder: str = "efficientnet-lite0"
    deepest_stride: int = 16
    widths: dict[int, int] = field(default_factory=lambda: {16: 64, 8: 48, 4: 32, 2: 32, 1: 16})
    # The strides of the RCA layers, coarse to fine; the last one is the resolution of the assignment.
    levels: tuple[int, ...] = (4, 2, 1)
    centre_channels: int = 48
    key_channels: int = 24
    # T, the E/M steps of a layer. The finest layer takes `finest_steps`: its centres are means over hundreds of pixels that
    # the level before has found already, so that more steps at four times the cost move next to nothing (see the ablation).
    steps: int = 3
    finest_steps: int = 1
    start: str = "grid"
    similarity: str = "gaussian"
    attention: str = "rca"
    m_step: str = "mean"

    def to_dict(self) -> dict[str, object]:
        """For a checkpoint. What came later is left out where it has its default, as older checkpoints have it."""
        return {name: value for name, value in asdict(self).items() if name != "m_step" or value != "mean"}

    @staticmethod
    def from_dict(values: dict) -> "SuperpixelConfig":
        known = dict(values)
        known["widths"] = {int(stride): width for stride, width in known["widths"].items()}
        known["levels"] = tuple(known["levels"])
        return SuperpixelConfig(**known)


class ClustSeg(nn.Module):
    """Pixel features by level: what all tasks share. RGB in 0..255, float [N, 3, H, W] -> by stride, learned features and LAB."""

    def __init__(self, config: SuperpixelConfig) -> None:
        super().__init__()
        self.config = config
        self.encoder = build_encoder(config.encoder, config.deepest_stride)
        self.lab = RgbToLab()
        self.decoder = PixelDecoder(self.encoder.channels, config.widths, colour_channels=3, whole_stride=CELL_MULTIPLE)

    def forward(self, image: Tensor) -> dict[int, tuple[Tensor, Tensor]]:
        # LAB in single precision also under autocast: half of it would show as bands in flat skies.
        with torch.autocast(image.device.type, enabled=False):
            colours = (self.lab(image) - image.new_tensor([50.0, 0.0, 0.0]).view(1, 3, 1, 1)) / 25.0
        levels = self.decoder(self.encoder(image), colours)
        return {
            stride: (levels[stride].to(colours.dtype), F.avg_pool2d(colours, stride) if stride > 1 else colours)
            for stride in self.config.levels
        }


class SuperpixelClustSeg(nn.Module):
    """Superpixels: grid start, RCA over the 3 x 3 nearest seeds at each level."""

    def __init__(self, config: SuperpixelConfig = SuperpixelConfig(), backbone: nn.Module | None = None) -> None:
        """`backbone`: another network's features, in ClustSeg's form (shared_superpixels.py)."""
        super().__init__()
        self.config = config
        self.backbone = ClustSeg(config) if backbone is None else backbone
        pixel_channels = [config.widths[stride] + 3 for stride in config.levels]
        self.start = GridStart(pixel_channels[0], config.centre_channels, config.start)
        self.layers = nn.ModuleList(
            RecurrentCrossAttention(
                config.centre_channels, channels, config.key_channels, config.steps, config.similarity, config.attention,
                m_step=config.m_step,
            )  # fmt: skip
            for channels in pixel_channels
        )
        self.neighbourhood = GridNeighbourhood()

    def forward(self, image: Tensor, rows: int | Tensor, columns: int | Tensor, steps: int | None = None) -> list[tuple[int, Tensor]]:
        """image [N, 3, H, W] float RGB in 0..255 whose H, W are rows, columns x a multiple of 4.

        Returns (stride, logits [N, R, C, 9, P]) of every E-step, in order; the last one is the result.
        """
        return self.cluster(self.backbone(image), rows, columns, steps)

    def cluster(
        self, features: dict[int, tuple[Tensor, Tensor]], rows: int | Tensor, columns: int | Tensor, steps: int | None = None
    ) -> list[tuple[int, Tensor]]:
        """The E-steps on a backbone's features."""
        # Clustering stays in single precision under autocast: its scores are differences of large numbers.
        with torch.autocast(features[self.config.levels[0]][1].device.type, enabled=False):
            return self._cluster(features, rows, columns, steps)

    def _cluster(
        self, features: dict[int, tuple[Tensor, Tensor]], rows: int | Tensor, columns: int | Tensor, steps: int | None
    ) -> list[tuple[int, Tensor]]:
        out: list[tuple[int, Tensor]] = []
        centres = None
        neighbourhood, positions = self.neighbourhood, cell_positions
        if not self.training:
            neighbourhood, positions = IndexedGridNeighbourhood(rows, columns, self.layers[0].log_precision.device), grid_positions
        for index, (stride, layer) in enumerate(zip(self.config.levels, self.layers)):
            learned, colours = features[stride]
            height, width = colours.shape[-2:]
            where = positions(height, width, rows, columns, colours).expand(colours.shape[0], -1, -1, -1)
            pixels = to_cells(torch.cat([learned, colours, where], dim=1), rows, columns)
            centres = self.start(pixels) if centres is None else centres
            last = index == len(self.layers) - 1
            centres, scores = layer(centres, pixels, neighbourhood, self.config.finest_steps if last else steps, last=last)
            out += [(stride, score) for score in scores]
        return out

    def segment(self, image: Tensor, superpixels: Tensor, grid: Tensor, steps: int | None = None) -> Tensor:
        """Superpixels of an image of any size.

        image uint8 [N, H, W, 3]; superpixels int64 [1]; grid int64 [2], (0, 0) to choose rows and columns from
        `superpixels`. Returns seed indices row * columns + column as int32 [N, H, W].
        """
        return self.traced(image, superpixels, grid, steps).labels

    def traced(self, image: Tensor, superpixels: Tensor, grid: Tensor, steps: int | None = None) -> "SuperpixelResult":
        """What the exported graph computes: `segment`, and the E-steps on the way to it."""
        geometry = layout(image, superpixels, grid)
        rows, columns, _, _ = numbers(geometry)
        found = self.forward(whole_cells(image, geometry, self.layers[0].log_precision.dtype), rows, columns, steps)
        return result_of(found, geometry, image)


def layout(image: Tensor, superpixels: Tensor, grid: Tensor) -> Tensor:
    """int64 [4]: rows and columns of seeds, height and width of a cell in working pixels."""
    size = torch.stack([torch.as_tensor(image.shape[1]), torch.as_tensor(image.shape[2])]).long()
    chosen = torch.where(grid > 0, grid, grid_tensor(superpixels, size))
    return torch.cat([chosen, cell_size(size, chosen)])


def whole_cells(image: Tensor, geometry: Tensor, kind: torch.dtype) -> Tensor:
    """uint8 [N, H, W, 3] -> [N, 3, rows * cell height, columns * cell width]: the grid made whole by resampling."""
    rows, columns, tall, wide = numbers(geometry)
    planes = image.permute(0, 3, 1, 2).to(kind)
    return F.interpolate(planes, size=(rows * tall, columns * wide), mode="bilinear", align_corners=False)


def result_of(steps: list[tuple[int, Tensor]], geometry: Tensor, image: Tensor) -> "SuperpixelResult":
    """From the E-steps' logits to labels of the image's size."""
    rows, columns, tall, wide = numbers(geometry)
    size = torch.stack([torch.as_tensor(image.shape[1]), torch.as_tensor(image.shape[2])]).long()
    labels = winners(steps[-1][1], columns, tall, wide)
    return SuperpixelResult(_stretched(labels, geometry[:2] * geometry[2:], size), geometry, steps)


@dataclass(frozen=True)
class SuperpixelResult:
    """labels int32 [N, H, W]; geometry int64 [4]: rows, columns, cell height and width; logits of each E-step by stride."""

    labels: Tensor
    geometry: Tensor
    steps: list[tuple[int, Tensor]]

    def frames(self, height: int | Tensor, width: int | Tensor) -> Tensor:
        """The winner at each E-step as int32 [N, S, h, w], half as tall and wide as the image."""
        rows, columns, tall, wide = numbers(self.geometry)
        full = torch.stack([torch.as_tensor(height), torch.as_tensor(width)]).long()
        half = (full + 1).div(2, rounding_mode="floor")
        frames = []
        for stride, logits in self.steps:
            labels = winners(logits, columns, tall // stride, wide // stride)
            frames.append(_stretched(labels, torch.stack(list(map(torch.as_tensor, labels.shape[1:]))).long(), half))
        return torch.stack(frames, dim=1)

    def seeds(self) -> Tensor:
        """(x, y) of each seed in parts of the frame, [1, K, 2]."""
        rows, columns, _, _ = numbers(self.geometry)
        kind = self.steps[0][1]
        y = (torch.arange(rows, device=kind.device).to(kind) + 0.5) / rows
        x = (torch.arange(columns, device=kind.device).to(kind) + 0.5) / columns
        places = torch.stack([x[None, :].expand(rows, columns), y[:, None].expand(rows, columns)], dim=-1)
        return places.reshape(1, -1, 2)


def numbers(geometry: Tensor) -> tuple[int | Tensor, ...]:
    """Tensors while tracing, so that they stay free in the graph."""
    if torch.compiler.is_exporting() or torch.onnx.is_in_onnx_export():
        return geometry[0], geometry[1], geometry[2], geometry[3]
    return tuple(int(number) for number in geometry)


def winners(logits: Tensor, columns: int | Tensor, tall: int | Tensor, wide: int | Tensor) -> Tensor:
    """Scores [N, R, C, 9, P] of cells of tall x wide pixels -> seed indices int32 [N, R * tall, C * wide]."""
    labels = seed_index(logits.argmax(dim=-2), columns).to(torch.int32)
    return from_cells(labels.unsqueeze(3), tall, wide)[:, 0]


def _stretched(plane: Tensor, work: Tensor, size: Tensor) -> Tensor:
    """Labels [N, h, w] of the working size at another size [2], by the nearest pixel."""
    y = nearest_rows(size[0], work[0], plane.device)
    x = nearest_rows(size[1], work[1], plane.device)
    return plane.index_select(1, y).index_select(2, x)


def nearest_rows(full: Tensor, work: Tensor, device: torch.device) -> Tensor:
    """For each of `full` pixels the one of `work` pixels that its middle falls in: int64 [full]."""
    return ((2 * torch.arange(full, device=device) + 1) * work).div(2 * full, rounding_mode="floor")


def seed_index(choice: Tensor, columns: int | Tensor) -> Tensor:
    """Which of the nine [N, R, C, P] -> the seed's index row * columns + column."""
    rows = torch.arange(choice.shape[1], device=choice.device).view(1, -1, 1, 1)
    cols = torch.arange(choice.shape[2], device=choice.device).view(1, 1, -1, 1)
    return (rows + choice // 3 - 1) * columns + cols + choice % 3 - 1

"""ClustSeg: pixel encoder, pixel decoder, Dreamy-Start, RCA decoder. A task is a start, a head and a loss on these parts."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .color import RgbToLab
from .decoder import PixelDecoder
from .encoder import EfficientNetLite
from .grid import CELL_MULTIPLE, cell_positions, cell_size, from_cells, grid_positions, grid_tensor, to_cells
from .rca import GridNeighbourhood, IndexedGridNeighbourhood, RecurrentCrossAttention
from .starts import GridStart


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

    def to_dict(self) -> dict[str, object]:
        return asdict(self)

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
        self.encoder = EfficientNetLite(config.encoder, config.deepest_stride)
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

    def __init__(self, config: SuperpixelConfig = SuperpixelConfig()) -> None:
        super().__init__()
        self.config = config
        self.backbone = ClustSeg(config)
        pixel_channels = [config.widths[stride] + 3 for stride in config.levels]
        self.start = GridStart(pixel_channels[0], config.centre_channels, config.start)
        self.layers = nn.ModuleList(
            RecurrentCrossAttention(
                config.centre_channels, channels, config.key_channels, config.steps, config.similarity, config.attention
            )
            for channels in pixel_channels
        )
        self.neighbourhood = GridNeighbourhood()

    def forward(self, image: Tensor, rows: int | Tensor, columns: int | Tensor, steps: int | None = None) -> list[tuple[int, Tensor]]:
        """image [N, 3, H, W] float RGB in 0..255 whose H, W are rows, columns x a multiple of 4.

        Returns (stride, logits [N, R, C, 9, P]) of every E-step, in order; the last one is the result.
        """
        features = self.backbone(image)
        # Clustering stays in single precision under autocast: its scores are differences of large numbers.
        with torch.autocast(image.device.type, enabled=False):
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
        """What the exported graph computes: any H, W and K.

        image uint8 [N, H, W, 3]; superpixels int64 [1]; grid int64 [2], (0, 0) to choose rows and columns from
        `superpixels`. Returns seed indices row * columns + column as int32 [N, H, W].
        """
        height, width = image.shape[1], image.shape[2]
        size = torch.stack([torch.as_tensor(height), torch.as_tensor(width)]).long()
        chosen = torch.where(grid > 0, grid, grid_tensor(superpixels, size))
        cell = cell_size(size, chosen)
        work = chosen * cell
        rows, columns, tall, wide = chosen[0], chosen[1], cell[0], cell[1]
        if not torch.compiler.is_exporting() and not torch.onnx.is_in_onnx_export():
            rows, columns, tall, wide = int(rows), int(columns), int(tall), int(wide)
        return self._segment(image, size, work, rows, columns, tall, wide, steps)

    def _segment(self, image, size, work, rows, columns, tall, wide, steps) -> Tensor:
        planes = image.permute(0, 3, 1, 2).to(self.layers[0].log_precision.dtype)
        resized = F.interpolate(planes, size=(rows * tall, columns * wide), mode="bilinear", align_corners=False)
        _, logits = self.forward(resized, rows, columns, steps)[-1]
        labels = seed_index(logits.argmax(dim=-2), columns).to(torch.int32)
        plane = from_cells(labels.unsqueeze(3), tall, wide)[:, 0]
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

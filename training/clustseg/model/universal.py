"""ClustSeg for semantic, instance and panoptic segmentation: one network whose initial centres say which task it does.

    image -> pixel encoder -> pixel decoder -> features by stride
    semantic: centres from the class memory, one a class          \
    panoptic: centres of the stuff classes and thing seeds         >  the same RCA layers, coarse to fine -> one winner a pixel
    instance: panoptic without its stuff                          /

Pixels carry their position, moved by a learned offset towards the middle of their object, so that pixels of one object lie
together whatever its size; the E-step is a Gaussian mixture's over features and these positions (rca.py). Seeds of things are
the peaks of a learned centre map.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, fields, replace

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from clustseg.model.auxiliary import AuxiliaryHeads
from clustseg.model.axial import LineAttention
from clustseg.model.decoder import PixelDecoder, conv_norm
from clustseg.model.encoders import build_encoder
from clustseg.model.positions import sine_positions
from clustseg.model.rca import Centres, FullNeighbourhood, RecurrentCrossAttention
from clustseg.model.starts import ClassMemoryStart, PeakStart, SceneAdaptiveStart


@dataclass(frozen=True)
class UniversalConfig:
    """Everything that shapes the network; stored in checkpoints.

    `things[c]` says whether class c is countable. `levels` are the strides of the RCA layers, coarse to fine; the last one is
    read by one E-step, whose scores are then enlarged to the image.
    """

    things: tuple[bool, ...]
    tasks: tuple[str, ...] = ("panoptic", "instance")
    encoder: str = "efficientnet-lite0"
    deepest_stride: int = 32
    widths: dict[int, int] = field(default_factory=lambda: {32: 160, 16: 128, 8: 96, 4: 64, 2: 32})
    # Axial blocks by stride: the paper has one on the coarsest level and five on the next.
    axial: dict[int, int] = field(default_factory=lambda: {32: 1, 16: 1})
    levels: tuple[int, ...] = (8, 4, 2)
    # The stride of the centre map and of the offsets, and the side of the window in which a peak is the highest.
    seed_stride: int = 2
    seed_window: int = 5
    # The image is seen at zoom[0] / zoom[1] of its size: small objects have more features, at the price of their number.
    zoom: tuple[int, int] = (1, 1)
    # Pixels that a unit of position is worth.
    position_unit: float = 16.0
    centre_channels: int = 96
    key_channels: int = 64
    steps: int = 3
    similarity: str = "gaussian"
    attention: str = "rca"
    # "peaks": seeds at the peaks of the centre map. "pool": the paper's 100 seeds. "free": learned queries (the ablation).
    start: str = "peaks"
    queries: int = 100
    # The paper's forms, where what ships has another (docs/paper.md says why).
    # The M-step: the "mean" or the "sum" of a cluster's pixels. The residual: at each "step" or once a "layer".
    m_step: str = "mean"
    residual: str = "step"
    # "offsets": pixels have a place, moved towards the middle of their object, which the E-step compares with the centre's.
    # "sine": positions are added to the features (PE), and scores compare nothing but these.
    positions: str = "offsets"
    # The class memory: its momentum, entries a class, and what it holds before a class was seen ("random" or "seen").
    memory_momentum: float = 0.9
    memory_size: int = 64
    memory_first: str = "random"
    # Heads that are there for the auxiliary losses only.
    auxiliary: bool = False

    def __post_init__(self) -> None:
        for name, allowed in _CHOICES.items():
            if getattr(self, name) not in allowed:
                raise ValueError(f"{name} is one of {', '.join(allowed)}, not {getattr(self, name)!r}")
        if self.has_things and self.start == "peaks" and self.positions != "offsets":
            raise ValueError("seeds at the peaks of the centre map have a place; they need positions 'offsets'")

    @property
    def has_maps(self) -> bool:
        """Whether there are a centre map and offsets."""
        return self.has_things and self.positions == "offsets"

    @property
    def stuff(self) -> tuple[int, ...]:
        return tuple(index for index, thing in enumerate(self.things) if not thing)

    @property
    def has_things(self) -> bool:
        return any(task in ("panoptic", "instance") for task in self.tasks)

    def to_dict(self) -> dict[str, object]:
        """For a checkpoint. What came later is left out where it has its default, as older checkpoints have it."""
        defaults = {one.name: one.default for one in fields(self) if one.name in _LATER}
        return {name: value for name, value in asdict(self).items() if name not in defaults or value != defaults[name]}

    @staticmethod
    def from_dict(values: dict) -> "UniversalConfig":
        known = dict(values)
        for name in ("widths", "axial"):
            known[name] = {int(stride): number for stride, number in known[name].items()}
        for name in ("things", "tasks", "levels", "zoom"):
            if name in known:
                known[name] = tuple(known[name])
        return UniversalConfig(**known)


_CHOICES = {
    "start": ("peaks", "pool", "free"),
    "m_step": ("mean", "sum"),
    "residual": ("step", "layer"),
    "positions": ("offsets", "sine"),
    "memory_first": ("random", "seen"),
}
_LATER = ("m_step", "residual", "positions", "memory_momentum", "memory_size", "memory_first", "auxiliary")


@dataclass(frozen=True)
class Pixels:
    """What the decoder hands to the clustering. By stride, features [N, D, h, w]; at the seeds' stride, the things' maps."""

    features: dict[int, Tensor]
    # Logits [N, 1, h, w] of the centre map and offsets [N, 2, h, w] as (y, x) in position units; None without these maps.
    centre_map: Tensor | None
    offsets: Tensor | None


@dataclass(frozen=True)
class EStep:
    """One E-step: the stride of its pixels, their vectors [N, D, h, w], the centres' queries [N, K, D].

    Scores are the product of the two. They are made by whoever needs them: the loss at a sample of points, the graph at
    every pixel of the image.
    """

    stride: int
    query: Tensor
    pixels: Tensor

    def scores(self) -> Tensor:
        """[N, K, h, w]."""
        batch, depth, height, width = self.pixels.shape
        return torch.matmul(self.query, self.pixels.flatten(2)).reshape(batch, -1, height, width)


@dataclass(frozen=True)
class Clustering:
    """`steps` in order, the last one being the result; `classes` [N, K, things + 1] logits of a seed's class (last: no object)."""

    steps: list[EStep]
    classes: Tensor | None
    centres: Centres


class CentreLayer(nn.Module):
    """What follows RCA in a decoder layer: centres look at each other (duplicates yield), then a feed-forward layer."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.exchange = LineAttention(channels, 4)
        self.feed_forward = nn.Sequential(
            nn.LayerNorm(channels), nn.Linear(channels, 2 * channels), nn.ReLU(inplace=True), nn.Linear(2 * channels, channels)
        )

    def forward(self, features: Tensor, hidden: Tensor) -> Tensor:
        mixed = self.exchange(features, hidden)
        return mixed + self.feed_forward(mixed)


class FreeStart(nn.Module):
    """Learned free queries, the same for every image: what Dreamy-Start is compared with."""

    def __init__(self, centres: int, centre_channels: int) -> None:
        super().__init__()
        self.features = nn.Parameter(torch.randn(centres, centre_channels) * 0.5)

    def forward(self, batch: int) -> Centres:
        features = self.features.unsqueeze(0).expand(batch, -1, -1)
        places = features[..., :2] * 0.0
        return Centres(features, places, tightness=places[..., :1], prior=places[..., :1])


def positions_of(stride: int, like: Tensor, unit: float) -> Tensor:
    """(y, x) of the pixels of a level [1, 2, h, w], in units, from the middle of the image."""
    height, width = like.shape[-2:]
    y = (torch.arange(height, device=like.device, dtype=like.dtype) + 0.5 - height * 0.5) * (stride / unit)
    x = (torch.arange(width, device=like.device, dtype=like.dtype) + 0.5 - width * 0.5) * (stride / unit)
    return torch.stack([y.view(-1, 1).expand(height, width), x.view(1, -1).expand(height, width)]).unsqueeze(0)


def _whole(features: Tensor) -> Tensor:
    """Out of autocast's type: clustering compares differences of large numbers."""
    return features.float() if features.dtype in (torch.bfloat16, torch.float16) else features


def rescaled(plane: Tensor, ratio: float) -> Tensor:
    """A map at `ratio` times its resolution, in exact steps."""
    if ratio == 1:
        return plane
    if ratio < 1:
        return F.avg_pool2d(plane, int(round(1 / ratio)))
    return F.interpolate(plane, scale_factor=float(ratio), mode="bilinear", align_corners=False)


class UniversalClustSeg(nn.Module):
    """Images [N, 3, H, W], float RGB in 0..255, H and W multiples of the deepest stride."""

    def __init__(self, config: UniversalConfig) -> None:
        super().__init__()
        self.config = config
        self.encoder = build_encoder(config.encoder, config.deepest_stride)
        self.decoder = PixelDecoder(
            self.encoder.channels, config.widths, 3, whole_stride=config.deepest_stride, axial=config.axial, kernels={2: 3, 4: 3}
        )
        widths, depth = config.widths, config.centre_channels
        first = widths[config.levels[0]]
        self.memory = ClassMemoryStart(
            len(config.things), first, depth, config.memory_size, config.memory_momentum, config.memory_first
        )
        # The ablation's classes without a memory: queries that are learned like any weight.
        self.free_classes = FreeStart(len(config.things), depth) if config.start == "free" and not config.has_things else None
        self.layers = nn.ModuleList(
            RecurrentCrossAttention(
                depth, widths[stride], config.key_channels, config.steps, config.similarity, config.attention,
                anchored=config.residual == "step", m_step=config.m_step,
            )  # fmt: skip
            for stride in config.levels
        )
        self.after = nn.ModuleList(CentreLayer(depth) for _ in config.levels[:-1])
        self.neighbourhood = FullNeighbourhood()
        if config.auxiliary:
            self.auxiliary = AuxiliaryHeads(widths[config.levels[-1]], len(config.things))
        if config.has_maps:
            wide = widths[config.seed_stride]
            self.centre_head = nn.Sequential(
                conv_norm(wide, wide, 3, groups=wide), conv_norm(wide, 2 * wide), nn.ReLU(inplace=True), nn.Conv2d(2 * wide, 3, 1)
            )
            with torch.no_grad():
                self.centre_head[-1].bias.copy_(torch.tensor([-3.0, 0.0, 0.0]))
        if config.has_things:
            if config.start == "peaks":
                self.seeds = PeakStart(wide, depth)
            elif config.start == "pool":
                self.seeds = SceneAdaptiveStart(config.queries, first, depth)
            else:
                self.seeds = FreeStart(config.queries, depth)
            if config.has_maps:
                self.prior = nn.Linear(depth, 1)
            self.classify = nn.Sequential(
                nn.LayerNorm(depth), nn.Linear(depth, depth), nn.ReLU(inplace=True), nn.Linear(depth, sum(config.things) + 1)
            )

    def see(self, image: Tensor) -> Pixels:
        """The task-free part: features and, for things, where objects have their middle."""
        return self.seen(self.encoder(image), image)

    def seen(self, encoded: dict[int, Tensor], image: Tensor) -> Pixels:
        """The same from the encoder's features on."""
        features = self.decoder(encoded, image)
        config = self.config
        if not config.has_maps:
            return Pixels({stride: self._placed(_whole(features[stride])) for stride in dict.fromkeys(config.levels)}, None, None)
        maps = _whole(self.centre_head(features[config.seed_stride]))
        needed = {*config.levels, config.seed_stride}
        return Pixels({stride: _whole(features[stride]) for stride in needed}, maps[:, :1], maps[:, 1:])

    def _placed(self, features: Tensor) -> Tensor:
        return features + sine_positions(features) if self.config.positions == "sine" else features

    def vectors(self, pixels: Pixels, stride: int) -> Tensor:
        """A level's pixels as FullNeighbourhood wants them: features, shifted y and x, their squared length, one."""
        features = pixels.features[stride]
        places = positions_of(stride, features, self.config.position_unit).expand(features.shape[0], -1, -1, -1)
        if pixels.offsets is not None:
            places = places + rescaled(pixels.offsets, self.config.seed_stride / stride)
        square = places.square().sum(dim=1, keepdim=True)
        return torch.cat([features, places, square, torch.ones_like(square)], dim=1)

    def class_centres(self, batch: int | Tensor, classes: tuple[int, ...] | None = None) -> Centres:
        """Centres from the memory, of all classes or of some."""
        start = self.memory(batch) if self.free_classes is None else self.free_classes(batch)
        if classes is None:
            return start
        chosen = list(classes)
        return Centres(start.features[:, chosen], start.positions[:, chosen], start.tightness[:, chosen], start.prior[:, chosen])

    def seed_centres(self, pixels: Pixels, cells: Tensor) -> Centres:
        """Centres of the seeds at flat `cells` [N, K] of the centre map."""
        features = pixels.features[self.config.seed_stride]
        height, width = features.shape[-2:]
        at = cells.unsqueeze(1)
        embeddings = features.flatten(2).gather(2, at.expand(-1, features.shape[1], -1)).transpose(1, 2)
        places = positions_of(self.config.seed_stride, features, self.config.position_unit).flatten(2)
        places = places.expand(features.shape[0], -1, -1)
        if pixels.offsets is not None:
            places = places + pixels.offsets.flatten(2)
        return self.seeds(embeddings, places.gather(2, at.expand(-1, 2, -1)).transpose(1, 2))

    def scene_centres(self, pixels: Pixels) -> Centres:
        """The starts whose seeds need no place: pooled from the image ("pool") or the same for all ("free")."""
        stride = self.config.levels[0]
        features = pixels.features[stride]
        batch = features.shape[0]
        if self.config.start == "free":
            return self.seeds(batch)
        places = positions_of(stride, features, self.config.position_unit).expand(batch, -1, -1, -1)
        found = self.seeds(torch.cat([features, places, torch.ones_like(places[:, :1])], dim=1).flatten(2))
        nothing = found.positions[..., :1] * 0.0
        return replace(found, tightness=nothing, prior=nothing)

    def cluster(self, pixels: Pixels, centres: Centres, hidden: Tensor, seeds_from: int | Tensor) -> Clustering:
        """RCA from `centres` on. `hidden` [N, K]: padding, which gets no pixels. Seeds are the centres from `seeds_from` on."""
        config = self.config
        closed = hidden.unsqueeze(-1).to(centres.features.dtype) * -1e4
        steps: list[EStep] = []
        for index, (stride, layer) in enumerate(zip(config.levels, self.layers)):
            plane = self.vectors(pixels, stride)
            batch, depth, height, width = plane.shape
            flat = plane.reshape(batch, depth, height * width)
            last = index == len(self.layers) - 1
            prior = closed
            if config.has_maps:
                things = (centres.tightness > 0).to(closed.dtype)
                prior = closed + self.prior(centres.features) * things
            recorder = _Recorder(self.neighbourhood)
            found, _ = layer(replace(centres, prior=prior), flat, recorder, 1 if last else None, last=last)
            steps += [EStep(stride, query, plane) for query in recorder.queries]
            if not last:
                centres = replace(found, features=self.after[index](found.features, hidden))
        classes = None
        if config.has_things and not (isinstance(seeds_from, int) and seeds_from >= centres.features.shape[1]):
            classes = self.classify(centres.features[:, seeds_from:])
        return Clustering(steps, classes, centres)


class _Recorder:
    """FullNeighbourhood that keeps the queries of the E-steps it was asked for."""

    def __init__(self, inner: FullNeighbourhood) -> None:
        self.inner = inner
        self.queries: list[Tensor] = []

    def logits(self, pixels: Tensor, weights: Tensor, bias: Tensor, positions: Tensor, precision: Tensor) -> Tensor:
        query = self.inner.query(weights, bias, positions, precision)
        self.queries.append(query)
        return torch.matmul(query, pixels)

    def gather(self, sums: Tensor) -> tuple[Tensor, Tensor]:
        return self.inner.gather(sums)


def peaks(centre_map: Tensor, window: int, threshold: float) -> Tensor:
    """Heights [N, h * w] of the centre map's local maxima above `threshold`, zero elsewhere. centre_map [N, 1, h, w] of logits."""
    height = torch.sigmoid(centre_map)
    highest = F.max_pool2d(height, window, stride=1, padding=window // 2)
    return torch.where((height >= highest) & (height > threshold), height, torch.zeros_like(height)).flatten(1)

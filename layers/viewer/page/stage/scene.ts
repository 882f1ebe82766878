import type { Filter } from "../data/filter.js";
import { passesSegment } from "../data/filter.js";
import { centroidsOf, type Point } from "../data/steps.js";
import { type Paint, word } from "../draw/colours.js";
import { boxesOf, type Labels } from "../draw/labels.js";
import { makeLook } from "../draw/look.js";
import type { Look } from "../draw/paint.js";
import { coloursOf, defaultScheme, type Scheme, schemesOf } from "../draw/schemes.js";
import type { Opened } from "./open.js";

/** What is drawn of an image: the switches of the panel. */
export interface Layers {
  readonly image: boolean;
  readonly fill: boolean;
  readonly outlines: boolean;
  readonly numbers: boolean;
  readonly names: boolean;
  /** Of the fill, 0..1. */
  readonly opacity: number;
  /** undefined: the best that the result has. */
  readonly scheme: Scheme | undefined;
}

/** Where on the way from the seeds to the masks: 0 the seeds, 1..S the E-steps, undefined the masks. */
export type StepPosition = number | undefined;

/** All that a pane draws over the image, made when something was switched and not for each frame. */
export interface Scene {
  readonly labels: Labels;
  readonly largest: number;
  /** See `boxesOf`. */
  readonly boxes: Int32Array;
  readonly look: Look;
  /** Colour by id - 1. */
  readonly colours: readonly Paint[];
  /** Words on segments: by id, or nothing. */
  readonly words: ((id: number) => string | undefined) | undefined;
  readonly dots: readonly Dot[];
  /** What an id is, in words: for people who point at it. */
  describe(id: number): Description | undefined;
}

/** A cluster at an E-step: where it began and where the middle of its pixels is now. */
export interface Dot {
  readonly cluster: number;
  readonly from: Point;
  readonly to: Point;
  readonly color: Paint;
}

export interface Description {
  readonly title: string;
  readonly color: Paint;
  readonly score: number | undefined;
  /** Pixels of the image, and the part of it; of a cluster at an E-step only the part is known. */
  readonly area: number | undefined;
  readonly part: number;
  readonly more: string | undefined;
}

/** Of clusters that became no segment. */
const lost: Paint = [138, 141, 146];

export function sceneOf(opened: Opened, layers: Layers, filter: Filter, step: StepPosition, line: number): Scene {
  if (step !== undefined && opened.steps !== undefined) return stepScene(opened, layers, step, line);
  const { result, labels } = opened;
  const { largest } = labels;
  const colours = coloursOf(result.segments, schemeOf(opened, layers));
  const hidden = (id: number): boolean => {
    const segment = result.segments[id - 1];
    return segment === undefined || !passesSegment(segment, filter);
  };
  const look = lookOf(largest, colours, layers, line, hidden);
  const pixels = result.width * result.height;
  const { numbers, names } = layers;
  const nameOf = (id: number) => result.segments[id - 1]?.name;
  const words = (id: number): string | undefined => {
    if (hidden(id)) return undefined;
    const name = names ? nameOf(id) : undefined;
    if (!numbers) return name;
    return name === undefined ? String(id) : `${name} ${id}`;
  };
  return {
    labels,
    largest,
    boxes: labels.boxes,
    look,
    colours,
    words: numbers || names ? words : undefined,
    dots: [],
    describe: (id) => {
      const segment = result.segments[id - 1];
      if (segment === undefined || hidden(id)) return undefined;
      const { name, score, area } = segment;
      const more = name === undefined ? undefined : `segment ${id}`;
      return { title: name ?? `Segment ${id}`, color: colours[id - 1]!, score, area, part: area / pixels, more };
    },
  };
}

export function schemeOf({ result }: Opened, { scheme }: Layers): Scheme {
  return scheme !== undefined && schemesOf(result).includes(scheme) ? scheme : defaultScheme(result);
}

function lookOf(
  largest: number,
  colours: readonly Paint[],
  { fill, opacity, outlines }: Layers,
  line: number,
  hidden: (id: number) => boolean,
): Look {
  const words = Uint32Array.from({ length: largest + 1 }, (_, id) => {
    const colour = id === 0 ? null : (colours[id - 1] ?? null);
    return colour === null ? 0 : word(colour, 1);
  });
  return makeLook({
    largest,
    colours: fill ? words : undefined,
    opacity,
    outlines: outlines ? 1 : 0,
    line,
    hidden,
  });
}

/** A cluster has the colour of the segment that it becomes, from its seed on. */
function stepScene(opened: Opened, layers: Layers, step: number, line: number): Scene {
  const { clusters, frames, seeds, became, categories } = opened.steps!;
  const { segments } = opened.result;
  const ofSegments = coloursOf(segments, schemeOf(opened, layers));
  const colours = Array.from({ length: clusters }, (_, i): Paint => colourOf(ofSegments, became[i + 1]!));
  const isSeeds = step <= 0;
  const frame = frames[Math.min(frames.length, Math.max(1, step)) - 1]!;
  const labels = isSeeds ? { width: 1, height: 1, ids: new Uint16Array(1) } : frame;
  const centroids = isSeeds ? [] : centroidsOf(frame, clusters);
  const dots = seeds.flatMap((from, i): Dot[] => {
    const to = isSeeds ? from : centroids[i + 1];
    return from === undefined || to === undefined ? [] : [{ cluster: i, from, to, color: colours[i]! }];
  });
  const parts = partsOf(frame, clusters);
  return {
    labels,
    largest: clusters,
    boxes: boxesOf(labels, clusters),
    look: lookOf(clusters, colours, layers, line, () => false),
    colours,
    words: undefined,
    dots,
    describe: (id) => {
      if (id < 1 || id > clusters || isSeeds) return undefined;
      const segment = segments[became[id]! - 1];
      const known = segments.find(({ categoryId }) => categoryId !== undefined && categoryId === categories[id - 1]);
      const name = segment?.name ?? known?.name;
      const end = segment === undefined ? "takes part in no segment" : `becomes ${name ?? "segment"} ${segment.id}`;
      const more = became[id] === 0 ? "becomes no segment" : end;
      return {
        title: `Cluster ${id}`,
        color: colours[id - 1]!,
        score: undefined,
        area: undefined,
        part: parts[id]!,
        more,
      };
    },
  };
}

/** Of the segment with this id; 0 is none. */
function colourOf(colours: readonly Paint[], id: number): Paint {
  const colour = colours[id - 1];
  return colour === undefined ? lost : colour;
}

function partsOf({ ids }: Labels, clusters: number): Float64Array {
  const parts = new Float64Array(clusters + 1);
  for (let i = 0; i < ids.length; i++) parts[ids[i]!]! += 1 / ids.length;
  return parts;
}

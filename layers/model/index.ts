/**
 * What `import … from "clustseg"` gives: the package's public face, and the one list of re-exports. Files of ours import
 * from where a thing lives, never from here.
 */

export type { Category } from "../segments/categories.js";
export { type CocoInstances, cocoInstances } from "../segments/coco.js";
export { segmentsFromCsv, segmentsToCsv } from "../segments/csv.js";
export { ClustsegError, type ErrorCode, type ErrorFault, isErrorCode } from "../segments/errors.js";
export type { Frame } from "../segments/frame.js";
export { segmentsToGeoJson } from "../segments/geojson.js";
export { type OverlayOptions, overlayBoundaries, type Rgb } from "../segments/overlay.js";
export { type Polygon, segmentPolygons } from "../segments/polygons.js";
export { type CocoRle, rleArea, rleBbox, rleMask, segmentRle, segmentRles } from "../segments/rle.js";
export type { SegmentMap } from "../segments/segment-map.js";
export { type ClusterSteps, stepsToJson } from "../segments/steps.js";
export { classifiedTable, type SegmentClass, type SegmentRow, segmentTable } from "../segments/table.js";
export type { BundleManifest, Task } from "./bundle.js";
export { type DecodeOptions, decodeImage } from "./decode.js";
export type { DecodedImage } from "./decoded-image.js";
export { decodeIds, encodeIds, encodeRgbJpeg, encodeRgbPng } from "./encode.js";
export {
  type Model,
  type ModelOptions,
  openModel,
  type SegmentedPicture,
  type SegmentImageOptions,
  type SegmentOptions,
  segmentImage,
} from "./open-model.js";
export type { MaskParameters, SegmentParameters, SuperpixelParameters } from "./parameters.js";
export type { ExecutionProvider, RefusedProvider, RunnerOptions } from "./runner.js";
export type { Segmentation } from "./segmentation.js";

/** How a wanted number of superpixels becomes a grid of seeds, one seed a cell. */
export interface SeedGrid {
  readonly rows: number;
  readonly columns: number;
}

/** Labels are 16 bit and the largest is "none"; some room is left for the pieces that connectivity adds. */
export const maxSeeds = 65_000;

/** Seeds for each superpixel asked: some seeds die out. The same constant as in training/clustseg/model/grid.py. */
const seedsPerSuperpixel = 1.05;
/** At most this many seeds for each superpixel asked. */
const mostSeedsPerSuperpixel = 1.15;

/**
 * The grid for `superpixels` on an image: rows * columns lies between K and 1.15 K, with cells as square as that allows.
 *
 * Mostly that is the formula which the graph itself uses when it is given no grid; where the formula leaves the range (few
 * superpixels, long images) the squarest grid within it is taken. K is first capped to the pixels there are and to 65,000
 * seeds. Where no rows * columns within the range fits the image, the next larger product that does is taken.
 *
 * @param superpixels whole number >= 1
 */
export function chooseGrid(superpixels: number, width: number, height: number): SeedGrid {
  const wanted = Math.min(superpixels, width * height, Math.floor(maxSeeds / mostSeedsPerSuperpixel));
  const most = Math.max(wanted, Math.floor(wanted * mostSeedsPerSuperpixel));
  const formula = graphGrid(wanted, width, height);
  const seeds = formula.rows * formula.columns;
  if (seeds >= wanted && seeds <= most) return formula;
  return squarestGrid(wanted, most, width, height) ?? smallestGrid(wanted, width, height);
}

/** `grid_for` of training/clustseg/model/grid.py. */
function graphGrid(superpixels: number, width: number, height: number): SeedGrid {
  const wanted = superpixels * seedsPerSuperpixel;
  const rows = Math.min(Math.max(Math.floor(Math.sqrt((wanted * height) / width) + 0.5), 1), height);
  const columns = Math.min(Math.max(Math.floor(wanted / rows + 0.5), 1), width);
  return { rows, columns };
}

function squarestGrid(least: number, most: number, width: number, height: number): SeedGrid | undefined {
  let best: SeedGrid | undefined;
  let bestStretch = Number.POSITIVE_INFINITY;
  for (let rows = 1; rows <= Math.min(height, most); rows++) {
    // The columns that make cells square, or the nearest number of them within the range.
    const square = Math.round((rows * width) / height);
    const columns = Math.min(Math.max(square, Math.ceil(least / rows)), Math.floor(most / rows), width);
    if (columns < 1 || rows * columns < least) continue;
    const stretch = Math.abs(Math.log((width * rows) / (height * columns)));
    if (stretch < bestStretch) {
      best = { rows, columns };
      bestStretch = stretch;
    }
  }
  return best;
}

/** The grid with the fewest cells, at least `least`, that has no more rows and columns than the image. */
function smallestGrid(least: number, width: number, height: number): SeedGrid {
  let best: SeedGrid = { rows: height, columns: width };
  for (let rows = 1; rows <= Math.min(height, least); rows++) {
    const columns = Math.ceil(least / rows);
    if (columns <= width && rows * columns < best.rows * best.columns) best = { rows, columns };
  }
  return best;
}

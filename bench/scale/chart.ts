/** A line of a chart; points from left to right. */
export interface Line {
  readonly name: string;
  readonly points: readonly (readonly [x: number, y: number])[];
  readonly dashed?: boolean;
}

export interface Chart {
  readonly title: string;
  readonly x: string;
  readonly y: string;
  readonly lines: readonly Line[];
  /** How the numbers beside the axes are written. */
  readonly formatX: (value: number) => string;
  readonly formatY: (value: number) => string;
  /** Where the y axis has its marks. @default the powers of ten */
  readonly marksY?: readonly number[];
  readonly marksX?: readonly number[];
}

const [width, height] = [760, 440];
const box = { left: 84, right: 190, top: 46, bottom: 56 };
/** Okabe and Ito's, which people who see colours differently can tell apart. */
const colours = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000"];

/** A chart with logarithmic axes as SVG text, dark enough for a white page and light enough for a black one. */
export function drawChart(chart: Chart): string {
  const points = chart.lines.flatMap(({ points: of }) => of);
  if (points.some(([x, y]) => !(x > 0 && y > 0 && Number.isFinite(x * y)))) {
    throw new RangeError(`"${chart.title}" has a point that a logarithmic axis cannot show`);
  }
  const across = axis(
    points.map(([x]) => x),
    chart.marksX,
    [box.left, width - box.right],
  );
  const up = axis(
    points.map(([, y]) => y),
    chart.marksY,
    [height - box.bottom, box.top],
  );
  const parts: string[] = [];
  const text = (x: number, y: number, what: string, rest = "") =>
    parts.push(`<text x="${fixed(x)}" y="${fixed(y)}"${rest}>${escaped(what)}</text>`);
  const rule = (x1: number, y1: number, x2: number, y2: number) =>
    parts.push(
      `<line x1="${fixed(x1)}" y1="${fixed(y1)}" x2="${fixed(x2)}" y2="${fixed(y2)}" stroke="#c8c8c8" stroke-width="1"/>`,
    );
  for (const mark of across.marks) {
    rule(across.place(mark), box.top, across.place(mark), height - box.bottom);
    text(across.place(mark), height - box.bottom + 20, chart.formatX(mark), ' text-anchor="middle"');
  }
  for (const mark of up.marks) {
    rule(box.left, up.place(mark), width - box.right, up.place(mark));
    text(box.left - 8, up.place(mark) + 4, chart.formatY(mark), ' text-anchor="end"');
  }
  text(box.left, 26, chart.title, ' font-size="16" font-weight="bold"');
  text((box.left + width - box.right) / 2, height - 14, chart.x, ' text-anchor="middle"');
  const middle = (box.top + height - box.bottom) / 2;
  text(18, middle, chart.y, ` text-anchor="middle" transform="rotate(-90 18 ${fixed(middle)})"`);
  for (const [i, { name, points: of, dashed }] of chart.lines.entries()) {
    const colour = colours[i % colours.length]!;
    const path = of.map(([x, y]) => `${fixed(across.place(x))},${fixed(up.place(y))}`).join(" ");
    const dashes = dashed === true ? ' stroke-dasharray="6 4"' : "";
    parts.push(`<polyline points="${path}" fill="none" stroke="${colour}" stroke-width="2.2"${dashes}/>`);
    const y = box.top + 10 + i * 20;
    const x = width - box.right + 14;
    parts.push(`<line x1="${x}" y1="${y}" x2="${x + 26}" y2="${y}" stroke="${colour}" stroke-width="2.2"${dashes}/>`);
    text(x + 32, y + 4, name);
  }
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" font-family="sans-serif" font-size="12" role="img">`,
    `<title>${escaped(chart.title)}</title>`,
    `<rect width="${width}" height="${height}" fill="#ffffff"/>`,
    ...parts,
    "</svg>",
    "",
  ].join("\n");
}

function axis(values: readonly number[], given: readonly number[] | undefined, [from, to]: readonly [number, number]) {
  const [low, high] = [Math.min(...values), Math.max(...values)];
  const marks = given ?? powersOfTen(low, high);
  const [least, most] = [Math.log(Math.min(low, ...marks)), Math.log(Math.max(high, ...marks))];
  const place = (value: number) => from + ((Math.log(value) - least) / (most - least || 1)) * (to - from);
  return { marks, place };
}

function powersOfTen(low: number, high: number): number[] {
  const marks: number[] = [];
  for (let power = Math.floor(Math.log10(low)); power <= Math.ceil(Math.log10(high)); power++) marks.push(10 ** power);
  return marks;
}

const fixed = (value: number): string => value.toFixed(1);

function escaped(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
}

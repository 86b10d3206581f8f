import "uplot/dist/uPlot.min.css";
import { useEffect, useRef, useState } from "react";
import uPlot from "uplot";
import styles from "./Chart.module.css";
import { type Drawing, stacked } from "./series";

const HEIGHT = 200;
const PART_S = { day: 86_400, hour: 3_600 };

interface ChartProps {
  drawing: Drawing;
  /** The beginning of each part of the period. */
  parts: readonly string[];
  unit: "day" | "hour";
}

/** Bars or lines over a period. The table beside it says the same to those who do not see it. */
export function Chart({ drawing, parts, unit }: ChartProps) {
  const place = useRef<HTMLDivElement>(null);
  const theme = useThemeChanges();
  const [pointed, setPointed] = useState<number>();

  // biome-ignore lint/correctness/useExhaustiveDependencies: the theme's colours are read anew.
  useEffect(() => {
    const element = place.current;
    if (element === null) return;
    const chart = new uPlot(
      { ...optionsOf(drawing, unit, setPointed), width: element.clientWidth, height: HEIGHT },
      dataOf(drawing, parts),
      element,
    );
    const resized = new ResizeObserver(() =>
      chart.setSize({ width: element.clientWidth, height: HEIGHT }),
    );
    resized.observe(element);
    return () => {
      resized.disconnect();
      chart.destroy();
    };
  }, [drawing, parts, unit, theme]);

  return (
    <figure className={styles.chart}>
      <figcaption className={styles.legend}>
        {drawing.series.map(({ name, color, values }) => (
          <span key={name} className={styles[color.slice(2)]}>
            {name}
            {pointed !== undefined && <b>{shown(values[pointed], drawing)}</b>}
          </span>
        ))}
        <span className={styles.part}>
          {pointed === undefined ? "" : partName(parts[pointed], unit)}
        </span>
      </figcaption>
      <div ref={place} aria-hidden="true" />
    </figure>
  );
}

function shown(value: number | null | undefined, drawing: Drawing): string {
  return value === null || value === undefined ? "–" : drawing.format(value);
}

function partName(part: string | undefined, unit: "day" | "hour"): string {
  if (part === undefined) return "";
  return unit === "day" ? part : `${part.slice(0, 10)} ${part.slice(11, 16)} UTC`;
}

function dataOf(drawing: Drawing, parts: readonly string[]): uPlot.AlignedData {
  const times = parts.map((part) => Date.parse(part) / 1000);
  if (drawing.kind === "lines") return [times, ...drawing.series.map(({ values }) => values)];
  // The tallest are drawn first, so that the others stand before them.
  return [times, ...stacked(drawing.series).reverse()];
}

function optionsOf(
  drawing: Drawing,
  unit: "day" | "hour",
  point: (place: number | undefined) => void,
): Omit<uPlot.Options, "width" | "height"> {
  const isBars = drawing.kind === "bars";
  const series = isBars ? [...drawing.series].reverse() : drawing.series;
  const bars = uPlot.paths.bars?.({ size: [0.7, 32], radius: 0 });
  const grid = { stroke: themed("--line"), width: 1 };
  const axis: uPlot.Axis = {
    stroke: themed("--text-quiet"),
    font: `12px ${themed("--font")}`,
    ticks: { show: false },
  };
  return {
    legend: { show: false },
    cursor: { y: false, drag: { setScale: false }, points: { show: !isBars } },
    tzDate: (seconds) => uPlot.tzDate(new Date(seconds * 1000), "UTC"),
    scales: {
      // Half a part more on both sides, or the first and the last bar would be cut.
      x: { range: (_, first, last) => [first - PART_S[unit] / 2, last + PART_S[unit] / 2] },
      y: { range: (_, __, most) => [0, most > 0 ? most * 1.08 : 1] },
    },
    axes: [
      {
        ...axis,
        grid: { show: false },
        size: 28,
        space: 64,
        values: (_, splits) => splits.map((seconds) => tick(seconds, unit)),
      },
      {
        ...axis,
        grid,
        size: 64,
        values: (_, splits) => splits.map((value) => drawing.format(value)),
      },
    ],
    series: [
      {},
      ...series.map(({ name, color }) => ({
        label: name,
        stroke: themed(color),
        width: isBars ? 0 : 1.5,
        ...(isBars && { fill: themed(color), ...(bars && { paths: bars }) }),
        points: { show: !isBars, size: 5, fill: themed(color) },
      })),
    ],
    hooks: { setCursor: [({ cursor }) => point(cursor.idx ?? undefined)] },
  };
}

function tick(seconds: number, unit: "day" | "hour"): string {
  const moment = new Date(seconds * 1000);
  const written = moment.toISOString();
  const isMidnight = written.slice(11, 16) === "00:00";
  if (unit === "hour" && !isMidnight) return written.slice(11, 16);
  // Between two days the axis of few days has marks that name no day.
  if (!isMidnight) return "";
  return moment.toLocaleDateString("en", { day: "numeric", month: "short", timeZone: "UTC" });
}

function themed(token: string): string {
  return resolved(getComputedStyle(document.documentElement).getPropertyValue(token).trim());
}

/** Return a colour as a canvas understands it: one of the two of `light-dark()`. */
function resolved(value: string): string {
  if (!value.startsWith("light-dark(")) return value;
  const probe = document.createElement("span");
  probe.style.color = value;
  document.body.append(probe);
  const { color } = getComputedStyle(probe);
  probe.remove();
  return color;
}

/** Return a count that changes with the theme, whether the user or the system changes it. */
function useThemeChanges(): number {
  const [changes, setChanges] = useState(0);
  useEffect(() => {
    const changed = () => setChanges((count) => count + 1);
    const system = matchMedia("(prefers-color-scheme: dark)");
    system.addEventListener("change", changed);
    const chosen = new MutationObserver(changed);
    chosen.observe(document.documentElement, { attributeFilter: ["data-theme"] });
    return () => {
      system.removeEventListener("change", changed);
      chosen.disconnect();
    };
  }, []);
  return changes;
}

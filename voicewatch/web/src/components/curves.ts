/** Shapes of the mood and uncertainty curves. */
import type { SeriesPoint } from '../lib/types';

export interface Sample {
  x: number;
  value: number;
}

export interface Run {
  sign: 'neg' | 'pos';
  points: Sample[];
}

/** A line cut where it crosses zero, so that each part has one colour; neighbours share the crossing point. */
export function signedRuns(points: readonly Sample[]): Run[] {
  const runs: Run[] = [];
  let run: Run | undefined;
  let before: Sample | undefined;
  for (const point of points) {
    const sign = point.value < 0 ? 'neg' : 'pos';
    if (!run || run.sign !== sign) {
      const crossing = before && crossingOf(before, point);
      if (crossing) run?.points.push(crossing);
      run = { sign, points: crossing ? [crossing] : [] };
      runs.push(run);
    }
    run.points.push(point);
    before = point;
  }
  return runs;
}

function crossingOf(a: Sample, b: Sample): Sample {
  const share = a.value / (a.value - b.value || 1);
  return { x: a.x + (b.x - a.x) * share, value: 0 };
}

/** Mood of the customer over time; x in ms of the call. */
export function moods(series: readonly SeriesPoint[]): Sample[] {
  return series.flatMap((one) =>
    one.role === 'customer' && one.sentiment !== null ? [{ x: one.at_ms, value: one.sentiment }] : [],
  );
}

export function doubts(series: readonly SeriesPoint[]): Sample[] {
  return series.flatMap((one) => (one.uncertainty !== null ? [{ x: one.at_ms, value: one.uncertainty }] : []));
}

/** SVG path through points, each first put through `at`. */
export function path(points: readonly Sample[], at: (point: Sample) => readonly [number, number]): string {
  return points.map((point, place) => `${place ? 'L' : 'M'}${at(point).map((value) => value.toFixed(1)).join(' ')}`).join('');
}

const STEPS_S = [5, 10, 15, 30, 60, 120, 300, 600, 1200, 1800];

/** Times for an axis of `span_ms`, at most `most` of them. */
export function ticks(span_ms: number, most: number): number[] {
  const step = (STEPS_S.find((one) => span_ms / (one * 1000) <= most) ?? 3600) * 1000;
  return Array.from({ length: Math.floor(span_ms / step) + 1 }, (_, place) => place * step);
}

/** Places along a line, at least `apart` from one another, each as near to where it belongs as its neighbours let it. */
export function spread(wanted: readonly number[], apart: number): number[] {
  const placed = [...wanted];
  const order = wanted.map((_, index) => index).sort((a, b) => (wanted[a] ?? 0) - (wanted[b] ?? 0));
  let limit = Infinity;
  for (const index of order.reverse()) {
    placed[index] = Math.min(placed[index] ?? 0, limit);
    limit = (placed[index] ?? 0) - apart;
  }
  return placed;
}

/** Mood and uncertainty of the last minutes, in a row of the wall. */
import { mood, percent } from '../lib/format';
import type { CallView } from '../lib/types';
import { doubts, moods, path, signedRuns, type Sample } from '../components/curves';

const WIDTH = 94;
const ZERO_Y = 12;
const FLOOR_Y = 36;
const SPAN_MS = 120_000;

export function Spark({ view, now_ms }: { view: CallView; now_ms: number }) {
  const from = Math.max(0, now_ms - SPAN_MS);
  const span = Math.max(now_ms - from, 15_000);
  const x = (at_ms: number) => 2 + ((at_ms - from) / span) * (WIDTH - 6);
  const at = (point: Sample) => [x(point.x), ZERO_Y - point.value * 2] as const;
  const line = moods(view.series).filter((one) => one.x >= from);
  const bars = doubts(view.series).filter((one) => one.x >= from);
  const last = line.at(-1);
  return (
    <svg width={WIDTH} height={FLOOR_Y} viewBox={`0 0 ${WIDTH} ${FLOOR_Y}`} role="img" aria-label={inWords(view)}>
      <path class="c-zero" d={`M0 ${ZERO_Y}H${WIDTH}`} opacity=".5" />
      {signedRuns(line).map((run) => {
        const first = run.points[0];
        const end = run.points.at(-1);
        if (!first || !end) return null;
        return (
          <g key={first.x}>
            <path class={`c-${run.sign}`} d={`${path(run.points, at)}L${x(end.x)} ${ZERO_Y}L${x(first.x)} ${ZERO_Y}z`} />
            <path class={`c-line-${run.sign}`} d={path(run.points, at)} />
          </g>
        );
      })}
      {last && <circle class={`c-dot-${last.value < 0 ? 'neg' : 'pos'}`} cx={x(last.x)} cy={ZERO_Y - last.value * 2} r="3" />}
      {bars.map((one) => {
        const height = Math.max(1, one.value * 10);
        return <rect key={one.x} class="c-bar" x={x(one.x) - 1.5} y={FLOOR_Y - height} width="3" height={height} />;
      })}
    </svg>
  );
}

function inWords(view: CallView): string {
  const feels = view.sentiment ? `mood ${mood(view.sentiment.score)}, ${view.sentiment.trend ?? 'steady'}` : 'mood not scored';
  const sure = view.uncertainty ? `uncertainty ${percent(view.uncertainty.score)}` : 'uncertainty not scored';
  return `Last two minutes: ${feels}, ${sure}`;
}

/** The whole call on one line: mood, uncertainty, who spoke, and where alerts were raised. */
import { useLayoutEffect, useRef, useState } from 'preact/hooks';
import { clock } from '../lib/format';
import type { CallView, Role, SeriesPoint, Utterance } from '../lib/types';
import { doubts, moods, path, signedRuns, spread, ticks, type Sample } from './curves';
import { SeverityMark } from './marks';

const LEFT = 30;
const RIGHT = 10;
const PIN_PX = 24;
const TOP_Y = 18;
const ZERO_Y = 40;
const BOTTOM_Y = 62;
const DOUBT_Y = 84;
const LANE_Y = 87;
const HEIGHT = 106;
/** A call shorter than this does not fill the width. */
const LEAST_SPAN_MS = 60_000;

interface Props {
  view: CallView;
  utterances: readonly Utterance[];
  at_ms: number;
  /** Called with the alert that was pressed. */
  onPick?: (alertId: string) => void;
}

export function Chart({ view, utterances, at_ms, onPick }: Props) {
  const [box, width] = useWidth();
  const span = Math.max(at_ms, LEAST_SPAN_MS);
  const x = (time: number) => LEFT + (Math.min(time, span) / span) * (width - LEFT - RIGHT);
  const pins = spread(view.alerts.map((alert) => x(alert.at_ms)), PIN_PX);
  const series = utterances.length ? seriesOf(utterances) : view.series;
  return (
    <figure class="timeline" ref={box} aria-label="Mood and uncertainty over the call; the transcript below carries the same values">
      <svg viewBox={`0 0 ${width} ${HEIGHT}`} height={HEIGHT} aria-hidden="true">
        <defs>
          <pattern id="hatch" width="5" height="5" patternUnits="userSpaceOnUse" patternTransform="rotate(45)">
            <rect width="1.4" height="5" class="c-bar" opacity=".75" />
          </pattern>
        </defs>
        <Grid width={width} span={span} x={x} at_ms={at_ms} isLive={view.state === 'live'} />
        <Doubt points={doubts(series)} x={x} />
        <Mood points={moods(series)} x={x} />
        {view.gaps.map((gap) => (
          <rect key={gap.start_ms} class="c-hole" x={x(gap.start_ms)} y={TOP_Y} width={Math.max(2, x(gap.end_ms) - x(gap.start_ms))} height={LANE_Y - TOP_Y} />
        ))}
        {utterances.filter((one) => one.role !== 'customer').map((one) => (
          <rect key={one.utterance_id} class={LANE[one.role]} x={x(one.start_ms)} y={LANE_Y} width={Math.max(2, x(one.end_ms) - x(one.start_ms))} height="4" rx="1" />
        ))}
      </svg>
      {view.alerts.map((alert, place) => (
        <button
          key={alert.alert_id}
          type="button"
          class={alert.state === 'open' ? 'pin' : 'pin pin--settled'}
          style={{ left: `${pins[place] ?? 0}px` }}
          title={`${clock(alert.at_ms)} ${alert.headline}`}
          onClick={() => onPick?.(alert.alert_id)}
        >
          <SeverityMark severity={alert.severity} />
        </button>
      ))}
      <Legend roles={new Set(utterances.map((one) => one.role))} hasGaps={view.gaps.length > 0} />
    </figure>
  );
}

const LANE: Record<Role, string> = { customer: 'c-past', ai: 'c-ai', agent: 'c-human', supervisor: 'c-human' };

function Grid({ width, span, x, at_ms, isLive }: { width: number; span: number; x: (ms: number) => number; at_ms: number; isLive: boolean }) {
  const now = x(at_ms);
  const leans = now < LEFT + 60 ? 'start' : 'end';
  const isFree = (time: number) => (leans === 'end' ? x(time) < now - 78 || x(time) > now + 18 : x(time) > now + 90);
  return (
    <>
      {[['+5', TOP_Y], ['0', ZERO_Y], ['−5', BOTTOM_Y]].map(([name, y]) => (
        <g key={name}>
          <path class={name === '0' ? 'c-zero' : 'c-grid'} d={`M${LEFT} ${y}H${width - RIGHT}`} />
          <text class="c-text" x={LEFT - 7} y={Number(y) + 4} text-anchor="end">{name}</text>
        </g>
      ))}
      {ticks(span, Math.max(2, Math.floor(width / 90))).filter(isFree).map((time) => (
        <text key={time} class="c-text" x={x(time)} y={HEIGHT - 3} text-anchor={time ? 'middle' : 'start'}>{clock(time)}</text>
      ))}
      <path class="c-now" d={`M${now} ${TOP_Y - 4}V${LANE_Y + 4}`} />
      <text class="c-text-ink" x={now} y={HEIGHT - 3} text-anchor={leans}>{`${isLive ? 'now ' : ''}${clock(at_ms)}`}</text>
    </>
  );
}

function Mood({ points, x }: { points: Sample[]; x: (ms: number) => number }) {
  const y = (value: number) => ZERO_Y - (value / 5) * (ZERO_Y - TOP_Y);
  const at = (point: Sample) => [x(point.x), y(point.value)] as const;
  return (
    <>
      {signedRuns(points).map((run) => {
        const [first, last] = [run.points[0], run.points.at(-1)];
        if (!first || !last) return null;
        return (
          <g key={first.x}>
            <path class={`c-${run.sign}`} d={`${path(run.points, at)}L${x(last.x)} ${ZERO_Y}L${x(first.x)} ${ZERO_Y}z`} />
            <path class={`c-line-${run.sign}`} d={path(run.points, at)} />
          </g>
        );
      })}
      {points.map((point) => (
        <circle key={point.x} class={point.value < 0 ? 'c-dot-neg' : 'c-dot-pos'} cx={x(point.x)} cy={y(point.value)} r="3" />
      ))}
    </>
  );
}

function Doubt({ points, x }: { points: Sample[]; x: (ms: number) => number }) {
  const [first, last] = [points[0], points.at(-1)];
  if (!first || !last) return null;
  const at = (point: Sample) => [x(point.x), DOUBT_Y - point.value * 18] as const;
  const line = path(points, at);
  return (
    <>
      <path class="c-unc-area" d={`${line}L${x(last.x)} ${DOUBT_Y}L${x(first.x)} ${DOUBT_Y}z`} />
      <path class="c-unc" d={line} stroke-dasharray="3 2" />
    </>
  );
}

function Legend({ roles, hasGaps }: { roles: ReadonlySet<Role>; hasGaps: boolean }) {
  return (
    <figcaption class="legend">
      <span class="mood--neg"><i class="key" />mood below 0</span>
      <span class="mood--pos"><i class="key" />above 0</span>
      <span><i class="key key--hatch" />uncertainty</span>
      {roles.has('ai') && <span class="spk--ai"><i class="key" />AI speaks</span>}
      {(roles.has('agent') || roles.has('supervisor')) && <span class="spk--human"><i class="key" />a person speaks</span>}
      {hasGaps && <span><i class="key key--hole" />not transcribed</span>}
    </figcaption>
  );
}

function seriesOf(utterances: readonly Utterance[]): SeriesPoint[] {
  return utterances
    .filter((one) => one.sentiment || one.uncertainty)
    .map((one) => ({
      at_ms: one.end_ms,
      role: one.role,
      sentiment: one.sentiment?.score ?? null,
      uncertainty: one.uncertainty?.score ?? null,
    }));
}

function useWidth() {
  const box = useRef<HTMLElement>(null);
  const [width, setWidth] = useState(560);
  useLayoutEffect(() => {
    const element = box.current;
    if (!element) return;
    const style = getComputedStyle(element);
    const padding = parseFloat(style.paddingLeft) + parseFloat(style.paddingRight);
    const watch = new ResizeObserver(([entry]) => setWidth(Math.max(280, Math.round(entry?.contentRect.width ?? element.clientWidth - padding))));
    watch.observe(element);
    return () => watch.disconnect();
  }, []);
  return [box, width] as const;
}

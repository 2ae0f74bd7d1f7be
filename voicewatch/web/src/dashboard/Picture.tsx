/** Who hears whom as a picture: four fixed places; thick is one's own voice, plain is others', dotted are ears. */
import type { CallView, Seat } from '../lib/types';
import { picture, type Arrow, type Place, type Someone } from './hearing';

const CENTRE: Record<Place, readonly [number, number]> = {
  customer: [44, 62],
  ai: [148, 22],
  human: [250, 62],
  you: [148, 106],
};
const HALF_HEIGHT = 13;
const LOOK: Record<Place, string> = { customer: '', ai: '--ai', human: '--human', you: '--me' };

export function Picture({ view, mine, voiced }: { view: CallView; mine: Seat | undefined; voiced: readonly string[] }) {
  const { people, arrows } = picture(view, mine, voiced);
  const widths = Object.fromEntries(people.map((one) => [one.place, halfWidth(one.name)])) as Record<Place, number>;
  return (
    <svg viewBox="0 0 296 132" aria-hidden="true">
      <defs>
        <Head id="ar" name="--ink-2" size={6} />
        <Head id="ar3" name="--ink-3" size={7} />
        <Head id="arm" name="--ink" size={12} />
      </defs>
      {arrows.map((one) => (
        <Line key={`${one.from}${one.to}`} arrow={one} widths={widths} />
      ))}
      {people.map((one) => (
        <Person key={one.place} one={one} half={widths[one.place]} />
      ))}
    </svg>
  );
}

function Head({ id, name, size }: { id: string; name: string; size: number }) {
  return (
    <marker id={id} viewBox="0 0 8 8" refX="6.500" refY="4" markerWidth={size} markerHeight={size} markerUnits="userSpaceOnUse" orient="auto-start-reverse">
      <path d="M0 .5 7 4 0 7.500z" style={{ fill: `var(${name})` }} />
    </marker>
  );
}

const CLASS: Record<Arrow['kind'], string> = { own: 'h-me', voice: 'h-say', ear: 'h-ear' };

function Line({ arrow, widths }: { arrow: Arrow; widths: Record<Place, number> }) {
  const [x1, y1] = edge(arrow.from, arrow.to, widths);
  const [x2, y2] = edge(arrow.to, arrow.from, widths);
  return <line class={CLASS[arrow.kind]} x1={x1} y1={y1} x2={x2} y2={y2} marker-start={arrow.mutual ? 'url(#ar)' : undefined} />;
}

/** Where the line between two people leaves the box of the first. */
function edge(from: Place, to: Place, widths: Record<Place, number>): readonly [number, number] {
  const [x, y] = CENTRE[from];
  const [toX, toY] = CENTRE[to];
  const [dx, dy] = [toX - x, toY - y];
  const share = Math.min((widths[from] + 4) / Math.abs(dx || 1e-9), (HALF_HEIGHT + 4) / Math.abs(dy || 1e-9));
  return [x + dx * share, y + dy * share];
}

function Person({ one, half }: { one: Someone; half: number }) {
  const [x, y] = CENTRE[one.place];
  const look = one.present ? LOOK[one.place] : '--off';
  return (
    <g>
      <rect class={`h-node h-node${look}`} x={x - half} y={y - HALF_HEIGHT} width={half * 2} height={HALF_HEIGHT * 2} rx={HALF_HEIGHT} />
      <text class={`h-t h-t${look}`} x={x} y={y + 4.5}>{shortened(one.name)}</text>
      {one.note && <Remark one={one} half={half} />}
    </g>
  );
}

/** The top and bottom places have room at their side, the others below. */
function Remark({ one, half }: { one: Someone; half: number }) {
  const [x, y] = CENTRE[one.place];
  const beside = one.place === 'ai' || one.place === 'you';
  return beside ? (
    <text class="h-s h-s--beside" x={x + half + 8} y={y + 4}>{one.note}</text>
  ) : (
    <text class="h-s" x={x} y={y + 28}>{one.note}</text>
  );
}

function shortened(name: string): string {
  return name.length > 10 ? `${name.slice(0, 9)}…` : name;
}

function halfWidth(name: string): number {
  return Math.max(20, Math.min(42, shortened(name).length * 3.9 + 9));
}

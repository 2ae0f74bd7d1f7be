/** The order of the calls on the wall: most troubled first, in groups, and held still while somebody points at it. */
import type { CallView, Severity } from '../lib/types';

export type Group = 'now' | 'watch' | 'well' | 'ended';
export type Layout = Record<Group, string[]>;

export const GROUPS: readonly { group: Group; title: string }[] = [
  { group: 'now', title: 'Needs someone now' },
  { group: 'watch', title: 'Keep an eye on' },
  { group: 'well', title: 'Going well' },
  { group: 'ended', title: 'Ended' },
];

const GROUP_OF: Record<Severity, Group> = { critical: 'now', high: 'now', watch: 'watch', calm: 'well' };
const RANK: Record<Severity, number> = { critical: 0, high: 1, watch: 2, calm: 3 };

export function groupOf(view: CallView): Group {
  return view.state === 'live' ? GROUP_OF[view.severity] : 'ended';
}

/** Negative if `a` stands above `b` in the same group. */
export function compare(a: CallView, b: CallView): number {
  if (groupOf(a) === 'ended') return compareText(b.started_at, a.started_at) || compareText(a.call_id, b.call_id);
  return (
    RANK[a.severity] - RANK[b.severity] ||
    Number(hasHuman(a)) - Number(hasHuman(b)) ||
    since(a) - since(b) ||
    compareText(a.call_id, b.call_id)
  );
}

export function layout(views: Iterable<CallView>): Layout {
  const sorted = [...views].sort(compare);
  const of = (group: Group) => sorted.filter((view) => groupOf(view) === group).map((view) => view.call_id);
  return { now: of('now'), watch: of('watch'), well: of('well'), ended: of('ended') };
}

/** `shown` as it stands, without calls that are gone and with new ones at the end of their group. */
export function heldLayout(shown: Layout, fresh: Layout): Layout {
  const known = new Set(flat(shown));
  const there = new Set(flat(fresh));
  const of = (group: Group) => [
    ...shown[group].filter((id) => there.has(id)),
    ...fresh[group].filter((id) => !known.has(id)),
  ];
  return { now: of('now'), watch: of('watch'), well: of('well'), ended: of('ended') };
}

/** How many rows would change place if `shown` became `fresh`: the fewest that have to be lifted out. */
export function wouldMove(shown: Layout, fresh: Layout): number {
  const place = new Map<string, number>();
  let next = 0;
  for (const { group } of GROUPS) for (const id of fresh[group]) place.set(id, next++);
  let moved = 0;
  for (const { group } of GROUPS) {
    const belongs = new Set(fresh[group]);
    const stays = shown[group].filter((id) => belongs.has(id)).map((id) => place.get(id) ?? 0);
    moved += shown[group].length - longestRising(stays);
  }
  return moved;
}

export function flat(order: Layout): string[] {
  return GROUPS.flatMap(({ group }) => order[group]);
}

function longestRising(numbers: readonly number[]): number {
  const tails: number[] = [];
  for (const number of numbers) {
    const place = tails.findIndex((tail) => tail >= number);
    tails[place < 0 ? tails.length : place] = number;
  }
  return tails.length;
}

function hasHuman(view: CallView): boolean {
  return view.voice === 'agent' || view.voice === 'supervisor';
}

/** Instant since which the call has waited for somebody, else its beginning; longest first. */
function since(view: CallView): number {
  const started = view.started_at ? Date.parse(view.started_at) : 0;
  return started + (view.escalation?.at_ms ?? 0);
}

function compareText(a: string | null, b: string | null): number {
  const [left, right] = [a ?? '', b ?? ''];
  return left < right ? -1 : left > right ? 1 : 0;
}

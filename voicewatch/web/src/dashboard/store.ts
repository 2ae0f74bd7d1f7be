/** What the dashboard shows: the feed, which call is open, the order of the wall, and one's own place in a call. */
import { computed, effect, signal } from '@preact/signals';
import { Feed } from '../lib/feed';
import { callClock, type LiveCall } from '../lib/fold';
import { now_ms } from '../lib/now';
import { Phone } from '../lib/phone';
import type { Seat } from '../lib/types';
import { flat, heldLayout, layout, type Layout, wouldMove } from './order';
import { seatOf } from './rungs';
import { Supervision } from './supervision';

export type Tab = 'wall' | 'call' | 'act' | 'team';

export const feed = new Feed();
export const supervision = new Supervision(new Phone());

export const chosen = signal<string | null>(null);
export const tab = signal<Tab>('wall');
export const wanted = signal('');
export const helpOpen = signal(false);

/** The list does not move while it is pointed at, focused or held by hand. */
export const pointed = signal(false);
export const focused = signal(false);
export const pinned = signal(false);
export const isHeld = computed(() => pointed.value || focused.value || pinned.value);

export const isLive = computed(() => feed.status.value === 'live');
export const calls = computed(() => [...feed.calls.value.values()].filter((call) => call.view.label !== ''));

const fresh = computed(() => layout(found(calls.value, wanted.value).map((call) => call.view)));
export const shown = signal<Layout>({ now: [], watch: [], well: [], ended: [] });
export const waiting = computed(() => (isHeld.value ? wouldMove(shown.value, fresh.value) : 0));
effect(() => {
  shown.value = isHeld.value ? heldLayout(shown.peek(), fresh.value) : fresh.value;
});

/** The call that is open: the chosen one, and at first the most troubled, which then stays. */
export const current = computed<LiveCall | undefined>(() =>
  chosen.value === null ? undefined : feed.calls.value.get(chosen.value),
);
effect(() => {
  const [first] = flat(shown.value);
  if (current.value === undefined && first !== undefined) chosen.value = first;
});

/** The seat this page has a line to, in this call. */
export function lineSeat(call: LiveCall): Seat | undefined {
  return supervision.callId.value === call.view.call_id ? mySeat(call) : undefined;
}

/** The seat of whoever is signed in, in this call; its line may be in another page, or gone. */
export function mySeat(call: LiveCall): Seat | undefined {
  return seatOf(call.view, feed.you.value?.sub);
}

export function elapsed(call: LiveCall): number {
  // Where nothing is heard of the server any more, its time is not known either.
  return isLive.value ? callClock(call, now_ms.value) : call.clock.at_ms;
}

export function open(callId: string): void {
  chosen.value = callId;
  if (tab.value === 'wall') tab.value = 'call';
}

/** Opens the next (+1) or previous (-1) call of the wall. */
export function move(by: 1 | -1): void {
  const ids = flat(shown.value);
  const place = current.value ? ids.indexOf(current.value.view.call_id) : -1;
  const next = ids[Math.min(ids.length - 1, Math.max(0, place + by))];
  if (next !== undefined) chosen.value = next;
}

export function start(): void {
  feed.start();
  effect(() => {
    const callId = supervision.callId.value;
    const call = callId === null ? undefined : feed.calls.value.get(callId);
    if (call && isLive.value) supervision.follow(mySeat(call));
  });
  effect(() => {
    const critical = calls.value.filter(({ view }) => view.state === 'live' && view.severity === 'critical').length;
    document.title = critical ? `(${critical}) Live · VoiceWatch` : 'Live · VoiceWatch';
  });
}

function found(all: readonly LiveCall[], words: string): readonly LiveCall[] {
  const sought = words.trim().toLowerCase();
  if (!sought) return all;
  return all.filter(({ view, utterances }) =>
    [view.label, view.title, view.headline, view.voice_name, view.last?.text ?? '', ...utterances.map((one) => one.text)].some(
      (text) => text.toLowerCase().includes(sought),
    ),
  );
}

/** The customer's call: from consent to the end. */
import { computed, effect, signal } from '@preact/signals';
import { arrive, inWords, request } from '../lib/api';
import { Feed } from '../lib/feed';
import { Phone } from '../lib/phone';
import { forgetSeat, keepSeat, type KeptSeat, keptSeat } from '../lib/seat';
import type { Account, CallView } from '../lib/types';

export type Stage = 'idle' | 'connecting' | 'in-call' | 'weak' | 'refused' | 'ended';

interface Given extends KeptSeat {
  disclosure: string;
}

export const phone = new Phone();
/** Undefined until it is known. */
export const account = signal<Account | null | undefined>(undefined);
export const consent = signal(false);
export const disclosure = signal('');
/** Why the link did not open the page; for a person. */
export const trouble = signal('');
/** performance.now() at the first sound, and at the end. */
export const began_ms = signal<number | null>(null);
export const ended_ms = signal<number | null>(null);

const view = signal<CallView | null>(null);
let feed: Feed | null = null;
let unfollow: (() => void) | null = null;

export const stage = computed<Stage>(() => {
  switch (phone.state.value) {
    case 'idle':
      return trouble.value ? 'ended' : 'idle';
    case 'asking':
    case 'connecting':
      return 'connecting';
    case 'connected':
      return 'in-call';
    case 'weak':
      return 'weak';
    case 'refused':
      return 'refused';
    case 'ended':
    case 'failed':
      return 'ended';
  }
});
export const voice = computed(() => view.value?.voice ?? 'nobody');
export const onHold = computed(() => view.value?.on_hold ?? false);
export const voiceName = computed(() => view.value?.voice_name ?? '');

effect(() => {
  if (phone.state.value === 'connected') began_ms.value ??= performance.now();
});
effect(() => {
  if (stage.value === 'ended' || stage.value === 'refused') finish();
});

/** Who came, and the call that a reload of the page interrupted. */
export async function open(): Promise<void> {
  try {
    account.value = await arrive();
  } catch (error) {
    account.value = null;
    trouble.value = inWords(error);
    return;
  }
  const kept = keptSeat();
  if (!kept || !account.value) return;
  follow(kept);
  await phone.start(kept.seat_token);
}

/** The microphone first, then the call: without one there is nothing to begin. */
export async function call(): Promise<void> {
  trouble.value = '';
  began_ms.value = ended_ms.value = null;
  view.value = null;
  await phone.start(async () => {
    const given = await request<Given>('POST', '/api/calls', { recording_consent: consent.value });
    disclosure.value = given.disclosure;
    if (phone.state.value === 'connecting') follow(given); // else he has pressed Cancel meanwhile
    return given.seat_token;
  });
}

export async function hangUp(): Promise<void> {
  await phone.hangUp();
}

function follow(seat: KeptSeat): void {
  keepSeat(seat);
  feed = new Feed({ token: seat.seat_token });
  const mine = feed;
  unfollow = effect(() => {
    const known = mine.calls.value.get(seat.call_id);
    if (!known) return;
    view.value = known.view;
    if (known.view.state !== 'live') phone.stop();
  });
  feed.start();
}

function finish(): void {
  ended_ms.value ??= performance.now();
  forgetSeat();
  unfollow?.();
  feed?.stop();
  feed = unfollow = null;
}

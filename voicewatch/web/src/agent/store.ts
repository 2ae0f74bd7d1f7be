/** The agent at his phone: what he is, what rings, the call he is in, and what he does about it. */
import { computed, effect, signal } from '@preact/signals';
import { arrive, inWords, request } from '../lib/api';
import { Feed } from '../lib/feed';
import { closeTracks, microphoneWords, openMicrophone, Phone } from '../lib/phone';
import type { Account, Briefing } from '../lib/types';
import { Ring } from './ring';
import { type Stage, stageOf } from './stage';

/** An offer is on screen for so long before it can be accepted: a space being typed accepts nothing. */
const READ_MS = 400;

interface Given {
  call_id: string;
  seat_id: string;
  seat_token: string;
  briefing: Briefing | null;
}

export const feed = new Feed();
export const phone = new Phone();
export const ring = new Ring();
/** Undefined until it is known. */
export const account = signal<Account | null | undefined>(undefined);
/** What did not happen, and what is still true. */
export const failure = signal('');
/** Why the agent cannot be available; empty while he can. */
export const microphoneTrouble = signal('');
export const briefing = signal<Briefing | null>(null);
/** What is written beside the call, kept for its outcome. */
export const note = signal('');

/** The offer that was accepted, until the seat it gave is shown. */
const accepted = signal<string | null>(null);
/** The seat this page has a line to. */
const line = signal<Given | null>(null);

const sub = computed(() => account.value?.sub ?? '');
export const row = computed(() => feed.agents.value.find((one) => one.agent_id === sub.value));
export const stage = computed<Stage>(() =>
  stageOf(sub.value, row.value, feed.calls.value, phone.state.value, accepted.value),
);
export const offerId = computed(() => (stage.value.name === 'ringing' ? stage.value.offer.offer_id : null));
/** Since when (performance.now()) the page shows this stage. */
export const since_ms = signal(performance.now());
const stageKey = computed(() => `${stage.value.name} ${offerId.value ?? ''}`);

let seen = false;

/** Who leaves the page leaves the call: the AI has it again at once. */
addEventListener('beforeunload', (event) => {
  if (line.value) event.preventDefault();
});

export async function open(): Promise<void> {
  try {
    account.value = await arrive();
  } catch (error) {
    account.value = null;
    failure.value = inWords(error);
    return;
  }
  if (account.value?.role === 'agent') {
    effect(sayMuted);
    effect(() => {
      stageKey.value;
      since_ms.value = performance.now();
    });
    effect(soundRing);
    effect(followSeat);
    feed.start();
  }
}

// ---------------------------------------------------------------- being there

/** The microphone is tried before anything rings: an agent who cannot be heard helps nobody. */
export async function becomeAvailable(): Promise<void> {
  ring.prepare();
  microphoneTrouble.value = '';
  try {
    closeTracks(await openMicrophone());
  } catch (error) {
    microphoneTrouble.value = microphoneWords(error);
    return;
  }
  await say('available');
}

export async function goAway(): Promise<void> {
  await say('away');
}

async function say(state: 'available' | 'away'): Promise<void> {
  await attempt('Nothing changed.', async () => {
    await request('PUT', '/api/presence', { state });
    feed.presence = state;
  });
}

function soundRing(): void {
  if (offerId.value) ring.start();
  else ring.stop();
}

// ---------------------------------------------------------------- the offer

export async function accept(): Promise<void> {
  const now = stage.value;
  if (now.name !== 'ringing' || performance.now() - since_ms.value < READ_MS) return;
  const { offer_id } = now.offer;
  accepted.value = offer_id;
  briefing.value = now.call.view.briefing;
  note.value = '';
  ring.stop();
  const isTaken = await attempt('You did not take the call. The AI still has it.', async () => {
    const given = await request<Given>('POST', `/api/offers/${offer_id}/accept`);
    briefing.value = given.briefing ?? briefing.value;
    await connect(given);
  });
  if (!isTaken) accepted.value = null;
}

export async function decline(): Promise<void> {
  const now = stage.value;
  if (now.name !== 'ringing') return;
  ring.stop();
  await attempt('The offer was not declined.', () =>
    request('POST', `/api/offers/${now.offer.offer_id}/decline`, { reason: 'declined' }),
  );
}

async function connect(seat: Given): Promise<void> {
  line.value = seat;
  seen = false;
  await phone.start(seat.seat_token);
}

/** Keeps the line for as long as the feed shows the seat. */
function followSeat(): void {
  const held = line.value;
  const isLive = feed.status.value === 'live';
  const calls = feed.calls.value;
  if (!held) return;
  const call = calls.get(held.call_id);
  const hasSeat = call?.view.state === 'live' && call.view.seats.some((one) => one.seat_id === held.seat_id);
  if (hasSeat) seen = true;
  else if (seen && isLive) drop();
}

function drop(): void {
  phone.stop();
  line.value = null;
  accepted.value = null;
}

// ---------------------------------------------------------------- the call

export async function handBack(): Promise<void> {
  await inCall('handback', 'You still have the call.', note.value ? { note: note.value } : {});
}

export async function endCall(): Promise<void> {
  await inCall('end', 'The call goes on.');
}

export async function nudge(text: string): Promise<boolean> {
  return inCall('nudge', 'The AI did not get the text.', { text });
}

/** Tries again where the line could not be had although the seat is there. */
export async function reconnect(): Promise<void> {
  if (line.value) await phone.start(line.value.seat_token);
}

/** The customer hears hold audio and nobody; or hears everybody again. */
export async function hold(isOn: boolean): Promise<void> {
  await toCall(isOn ? 'POST' : 'DELETE', 'hold', isOn ? 'The customer still hears you.' : 'The customer is still on hold.');
}

export async function dial(digit: string): Promise<void> {
  await toCall('POST', 'dtmf', 'The key was not sent.', { digits: digit });
}

/** What is said while recording is paused is silence in the recording and masked in the transcript. */
export async function record(isOn: boolean): Promise<void> {
  const state = isOn ? 'recording' : 'paused';
  await toCall('POST', 'recording', isOn ? 'Recording is still paused.' : 'The call is still recorded.', { state });
}

/** The server is told who is muted: the AI is not silenced for somebody nobody hears. */
function sayMuted(): void {
  const muted = phone.muted.value;
  const held = line.peek();
  if (!held || stage.peek().name !== 'on-call') return;
  void attempt('The others are not told that you are muted.', () =>
    request('PUT', `/api/calls/${held.call_id}/mute`, { muted }),
  );
}

/** A call out of the queue, by one's own choice. */
export async function claim(callId: string): Promise<void> {
  if (stage.value.name !== 'available') return;
  note.value = '';
  await attempt('You did not take the call.', async () => {
    const given = await request<Given>('POST', `/api/calls/${callId}/claim`);
    briefing.value = given.briefing;
    await connect(given);
  });
}

/** One word on whether it was right to be called. */
export async function judge(callId: string, escalationId: string, value: string): Promise<boolean> {
  return attempt('Your word was not saved.', () =>
    request('POST', `/api/calls/${callId}/labels`, { about: 'escalation', target: escalationId, value }),
  );
}

export async function wrapUp(code: string): Promise<void> {
  const now = stage.value;
  if (now.name !== 'wrap-up') return;
  const isSaved = await attempt('The outcome was not saved.', () =>
    request('POST', `/api/calls/${now.call_id}/disposition`, { code, note: note.value }),
  );
  if (isSaved) {
    note.value = '';
    briefing.value = null;
  }
}

async function inCall(what: 'handback' | 'end' | 'nudge', otherwise: string, body?: object): Promise<boolean> {
  return toCall('POST', what, otherwise, body);
}

async function toCall(method: string, what: string, otherwise: string, body?: object): Promise<boolean> {
  const now = stage.value;
  if (now.name !== 'on-call' && now.name !== 'connecting') return false;
  return attempt(otherwise, () => request(method, `/api/calls/${now.call.view.call_id}/${what}`, body));
}

/** Does it, or says what did not happen (`otherwise`) and why. */
async function attempt(otherwise: string, work: () => Promise<unknown>): Promise<boolean> {
  failure.value = '';
  try {
    await work();
    return true;
  } catch (error) {
    failure.value = `${otherwise} ${inWords(error)}`;
    return false;
  }
}

/** The ladder of presence: what a supervisor can do in a call now, each step with its consequence. */
import type { CallView, Mode, Seat } from '../lib/types';

export type RungName = Mode | 'handback';

export interface Rung {
  name: RungName;
  label: string;
  key: string;
  state: 'rest' | 'active' | 'blocked' | 'pending' | 'failed';
  /** What it does, what it waits for, why it cannot be, or what is still true: one short line. */
  says: string;
}

/** A step that was asked for: under way, or refused with what the server says. */
export interface Attempt {
  callId: string;
  rung: RungName | 'leave';
  failed: string | null;
}

const LABELS: Record<RungName, string> = {
  monitor: 'Monitor',
  coach: 'Coach',
  barge: 'Barge',
  takeover: 'Take over',
  handback: 'Hand back to the AI',
};

export const RUNGS: readonly RungName[] = ['monitor', 'coach', 'barge', 'takeover', 'handback'];

/** The seat this supervisor has in the call, if he is in it. */
export function seatOf(view: CallView, sub: string | undefined): Seat | undefined {
  return view.seats.find((seat) => seat.role === 'supervisor' && seat.who === sub);
}

/** All five steps. `rests` says why nothing can be done now (page not live), empty if things can. */
export function rungs(view: CallView, mine: Seat | undefined, attempt: Attempt | null = null, rests = ''): Rung[] {
  return RUNGS.map((name, place) => {
    const rung = { name, label: LABELS[name], key: String(place + 1) };
    const trying = attempt !== null && attempt.callId === view.call_id && attempt.rung === name;
    if (trying && attempt.failed !== null) return { ...rung, state: 'failed', says: stillTrue(view, mine) };
    const blocked = rests || whyNot(name, view);
    if (blocked) return { ...rung, state: 'blocked', says: blocked };
    if (trying) return { ...rung, state: 'pending', says: WAITS_FOR[name] };
    const active = name !== 'handback' && mine?.mode === name;
    return { ...rung, state: active ? 'active' : 'rest', says: consequence(name, view) };
  });
}

const WAITS_FOR: Record<RungName, string> = {
  monitor: 'opening your line',
  coach: 'opening your line',
  barge: 'waits for the line',
  takeover: 'waits for the line',
  handback: 'waits for the AI',
};

function whyNot(name: RungName, view: CallView): string {
  if (view.state !== 'live') return 'the call is over';
  const agents = view.seats.filter((seat) => seat.role === 'agent');
  if (name === 'coach' && agents.length === 0) return 'no human on the call';
  if (name !== 'handback') return '';
  if (!view.seats.some(speaksToCustomer)) return 'the AI has the call';
  return view.seats.some((seat) => seat.role === 'ai' && seat.leg !== 'lost') ? '' : 'no AI on the call';
}

function speaksToCustomer(seat: Seat): boolean {
  return (seat.role === 'agent' || seat.role === 'supervisor') && (seat.mode === 'barge' || seat.mode === 'takeover');
}

function consequence(name: RungName, view: CallView): string {
  const agent = view.seats.find((seat) => seat.role === 'agent');
  switch (name) {
    case 'monitor':
      return 'nobody hears you';
    case 'coach':
      return `only ${agent?.name.split(' ')[0] || 'the agent'} hears you`;
    case 'barge':
      return 'everybody hears you';
    case 'takeover':
      return 'you speak, AI listens';
    case 'handback':
      return 'it heard all of this and speaks again';
  }
}

/** After a refusal: who has the call, as before. */
function stillTrue(view: CallView, mine: Seat | undefined): string {
  if (mine?.mode === 'barge' || mine?.mode === 'takeover') return 'not done. You still speak';
  switch (view.voice) {
    case 'ai':
      return 'not done. The AI has the call';
    case 'nobody':
      return 'not done. Nobody speaks';
    default:
      return `not done. ${view.voice_name || 'The agent'} has the call`;
  }
}

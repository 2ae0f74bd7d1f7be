/** Who hears whom, said in a sentence. */
import type { CallView, Mode, Role, Seat } from './types';

export const ROLE_WORDS: Record<Role, string> = {
  customer: 'the customer',
  ai: 'the AI',
  agent: 'the agent',
  supervisor: 'the supervisor',
};

export const MODE_WORDS: Record<Mode, string> = {
  monitor: 'Monitor',
  coach: 'Coach',
  barge: 'Barge',
  takeover: 'Take over',
};

/** How a seat is called by others: by name where there is one. */
export function seatName(seat: Seat): string {
  return seat.role === 'customer' || seat.role === 'ai' ? ROLE_WORDS[seat.role] : seat.name || ROLE_WORDS[seat.role];
}

/**
 * For somebody in the call (`own` is his seat id): who hears him and who only listens, as the table in force
 * says. For somebody who is not: who speaks with whom.
 */
export function hearsSentence(view: CallView, own: string | null): string {
  const mine = view.seats.find((seat) => seat.seat_id === own);
  return mine ? [heardBy(view, mine), ...others(view, mine)].join(' ') : fromOutside(view);
}

function heardBy(view: CallView, mine: Seat): string {
  const listeners = view.seats.filter((seat) => seat !== mine && hears(view, seat, mine));
  if (!listeners.length) return mine.mode === 'monitor' ? 'Nobody hears you. You hear all.' : 'Nobody hears you.';
  const only = listeners.length === 1 && mine.mode === 'coach';
  const verb = listeners.length === 1 ? 'hears' : 'hear';
  return capital(`${only ? 'only ' : ''}${list(listeners.map(seatName))} ${verb} you.`);
}

function others(view: CallView, mine: Seat): string[] {
  const said: string[] = [];
  const customer = view.seats.find((seat) => seat.role === 'customer');
  for (const seat of view.seats) {
    if (seat === mine) continue;
    if (seat.role === 'supervisor' && seat.mode === 'monitor') said.push(`${capital(seatName(seat))} listens.`);
    if (seat.role === 'ai' && customer && !hears(view, customer, seat)) said.push('The AI is silent.');
  }
  return said;
}

function fromOutside(view: CallView): string {
  const customer = view.seats.find((seat) => seat.role === 'customer');
  const speakers = customer ? view.seats.filter((seat) => seat !== customer && hears(view, customer, seat)) : [];
  if (!speakers.length) return 'Nobody speaks with the customer.';
  return capital(`${list(speakers.map(seatName))} ${speakers.length === 1 ? 'speaks' : 'speak'} with the customer.`);
}

function hears(view: CallView, listener: Seat, speaker: Seat): boolean {
  return view.hears[listener.seat_id]?.includes(speaker.seat_id) ?? false;
}

function list(names: string[]): string {
  return names.length < 2 ? names.join('') : `${names.slice(0, -1).join(', ')} and ${names.at(-1)}`;
}

function capital(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}

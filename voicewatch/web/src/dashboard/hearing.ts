/** Who hears whom, for the picture: four fixed places and the arrows between them. */
import { clock } from '../lib/format';
import type { CallView, Role, Seat } from '../lib/types';

export type Place = 'customer' | 'ai' | 'human' | 'you';

/** `own`: this supervisor's voice; `voice`: speech between others; `ear`: what this supervisor hears. */
export interface Arrow {
  from: Place;
  to: Place;
  kind: 'own' | 'voice' | 'ear';
  /** Both ways: one line with two heads. */
  mutual: boolean;
}

export interface Someone {
  place: Place;
  name: string;
  /** In the call; else drawn dashed. */
  present: boolean;
  /** One or two words under the name. */
  note: string;
}

export interface Picture {
  people: Someone[];
  arrows: Arrow[];
}

const PLACE_OF: Record<Role, Place> = { customer: 'customer', ai: 'ai', agent: 'human', supervisor: 'human' };

/** `voiced`: seats that speak at this moment. */
export function picture(view: CallView, mine: Seat | undefined, voiced: readonly string[] = []): Picture {
  const other = otherHuman(view, mine);
  const seats = new Map<string, Place>();
  for (const seat of view.seats) {
    if (seat.seat_id === mine?.seat_id) seats.set(seat.seat_id, 'you');
    else if (seat.role === 'customer' || seat.role === 'ai') seats.set(seat.seat_id, PLACE_OF[seat.role]);
    else if (seat.seat_id === other?.seat_id) seats.set(seat.seat_id, 'human');
  }
  const heard = new Set<string>();
  for (const [listener, speakers] of Object.entries(view.hears)) {
    const to = seats.get(listener);
    for (const speaker of speakers) {
      const from = seats.get(speaker);
      if (from && to && from !== to) heard.add(`${from}>${to}`);
    }
  }
  return { people: people(view, mine, other, voiced), arrows: arrows(heard) };
}

/** The human beside this supervisor: an agent before another supervisor. */
function otherHuman(view: CallView, mine: Seat | undefined): Seat | undefined {
  const humans = view.seats.filter(
    (seat) => (seat.role === 'agent' || seat.role === 'supervisor') && seat.seat_id !== mine?.seat_id,
  );
  return humans.find((seat) => seat.role === 'agent') ?? humans[0];
}

function people(view: CallView, mine: Seat | undefined, other: Seat | undefined, voiced: readonly string[]): Someone[] {
  const customer = view.seats.find((seat) => seat.role === 'customer');
  const ai = view.seats.find((seat) => seat.role === 'ai');
  const ringing = view.offers.find((offer) => offer.state === 'pending');
  const note = (seat: Seat | undefined, silent = ''): string => {
    if (!seat) return '';
    if (seat.kept_until_ms) return `line lost, seat kept to ${clock(seat.kept_until_ms)}`;
    if (seat.leg === 'lost' || seat.leg === 'stalled') return seat.leg === 'lost' ? 'line lost' : 'line weak';
    return voiced.includes(seat.seat_id) ? 'speaking' : silent;
  };
  const aiSilent = ai && customer && !(view.hears[customer.seat_id] ?? []).includes(ai.seat_id);
  return [
    { place: 'customer', name: 'Customer', present: Boolean(customer), note: note(customer) },
    { place: 'ai', name: ai ? 'AI' : 'no AI', present: Boolean(ai), note: note(ai, aiSilent ? 'silent, listening' : '') },
    other
      ? { place: 'human', name: other.name || 'Agent', present: true, note: note(other) }
      : { place: 'human', name: ringing?.agent_name || 'no human', present: false, note: ringing ? 'ringing' : '' },
    { place: 'you', name: 'You', present: Boolean(mine), note: mine ? '' : 'not in the call' },
  ];
}

function arrows(heard: ReadonlySet<string>): Arrow[] {
  const found: Arrow[] = [];
  for (const pair of heard) {
    const [from, to] = pair.split('>') as [Place, Place];
    if (from === 'you') found.push({ from, to, kind: 'own', mutual: false });
    // One's own voice hides the ear beside it: whom you speak with you also hear.
    else if (to === 'you') {
      if (!heard.has(`you>${from}`)) found.push({ from, to, kind: 'ear', mutual: false });
    } else {
      const mutual = heard.has(`${to}>${from}`);
      if (!mutual || from < to) found.push({ from, to, kind: 'voice', mutual });
    }
  }
  return found;
}

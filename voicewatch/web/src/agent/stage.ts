/** What the softphone shows, from what the feed and the phone say. Pure. */
import type { LiveCall } from '../lib/fold';
import type { PhoneState } from '../lib/phone';
import type { AgentRow, Offer, Seat } from '../lib/types';

export type Stage =
  | { name: 'away' }
  | { name: 'available' }
  | { name: 'ringing'; call: LiveCall; offer: Offer }
  | { name: 'connecting'; call: LiveCall }
  | { name: 'on-call'; call: LiveCall; seat: Seat }
  | { name: 'wrap-up'; call_id: string; call: LiveCall | undefined };

/** `accepted`: the offer just accepted, until the feed shows the seat it gave. */
export function stageOf(
  sub: string,
  row: AgentRow | undefined,
  calls: ReadonlyMap<string, LiveCall>,
  phone: PhoneState,
  accepted: string | null,
): Stage {
  const mine = seated(sub, calls);
  if (mine) {
    return phone === 'connected' || phone === 'weak'
      ? { name: 'on-call', ...mine }
      : { name: 'connecting', call: mine.call };
  }
  const ringing = offered(sub, calls);
  if (ringing) {
    return ringing.offer.offer_id === accepted
      ? { name: 'connecting', call: ringing.call }
      : { name: 'ringing', ...ringing };
  }
  if (row?.state === 'wrap_up' && row.call_id) {
    return { name: 'wrap-up', call_id: row.call_id, call: calls.get(row.call_id) };
  }
  return row === undefined || row.state === 'away' || row.state === 'offline' ? { name: 'away' } : { name: 'available' };
}

function seated(sub: string, calls: ReadonlyMap<string, LiveCall>): { call: LiveCall; seat: Seat } | null {
  for (const call of calls.values()) {
    const seat = call.view.seats.find((one) => one.who === sub && one.role === 'agent');
    if (seat && call.view.state === 'live') return { call, seat };
  }
  return null;
}

function offered(sub: string, calls: ReadonlyMap<string, LiveCall>): { call: LiveCall; offer: Offer } | null {
  for (const call of calls.values()) {
    const offer = call.view.offers.find((one) => one.agent_id === sub && one.state === 'pending');
    if (offer && call.view.state === 'live') return { call, offer };
  }
  return null;
}

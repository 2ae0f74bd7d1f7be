/** The customer’s seat, kept over a reload of the page (and no longer than the tab): the server waits a while. */

export interface KeptSeat {
  call_id: string;
  seat_id: string;
  seat_token: string;
}

const KEY = 'voicewatch.seat';

export function keepSeat({ call_id, seat_id, seat_token }: KeptSeat): void {
  sessionStorage.setItem(KEY, JSON.stringify({ call_id, seat_id, seat_token }));
}

export function keptSeat(): KeptSeat | null {
  const kept = sessionStorage.getItem(KEY);
  return kept ? (JSON.parse(kept) as KeptSeat) : null;
}

export function forgetSeat(): void {
  sessionStorage.removeItem(KEY);
}

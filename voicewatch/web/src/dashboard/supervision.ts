/** One supervisor's place in a call: asks for it, keeps its line, opens the microphone only in modes that are heard. */
import { signal } from '@preact/signals';
import { Problem, request } from '../lib/api';
import type { Phone } from '../lib/phone';
import type { Mode, Seat } from '../lib/types';
import type { Attempt, RungName } from './rungs';

const SPEAKS: ReadonlySet<Mode> = new Set(['coach', 'barge', 'takeover']);

interface Given {
  seat_id: string;
  seat_token: string;
  mode: Mode;
}

export class Supervision {
  /** The call this page has a line to. */
  readonly callId = signal<string | null>(null);
  /** What was asked for last, until it is done. */
  readonly attempt = signal<Attempt | null>(null);
  private seatId: string | null = null;
  private seen = false;
  private busy = false;

  constructor(readonly phone: Phone) {}

  async take(callId: string, rung: RungName): Promise<void> {
    if (rung === 'handback') return this.attemptTo(callId, rung, () => request('POST', `/api/calls/${callId}/handback`, {}));
    await this.attemptTo(callId, rung, async () => {
      if (this.callId.value !== null && this.callId.value !== callId) await this.depart(this.callId.value);
      // Closed first and opened last: nobody is heard in a mode that was not confirmed.
      if (!SPEAKS.has(rung)) this.phone.setMicrophone(false);
      const given = await request<Given>('POST', `/api/calls/${callId}/supervise`, { mode: rung });
      if (this.seatId !== given.seat_id || this.callId.value !== callId) await this.connect(callId, given);
      this.phone.setMicrophone(SPEAKS.has(given.mode));
    });
  }

  /** Also leaves a seat whose line was opened in a page that is gone. */
  async leave(callId: string): Promise<void> {
    await this.attemptTo(callId, 'leave', () => this.depart(callId));
  }

  /** What the server says of this supervisor's seat in the call he is in; undefined: he has none any more. */
  follow(seat: Seat | undefined): void {
    if (this.callId.value === null || this.busy) return;
    if (seat) {
      this.seen = true;
      // The server may have changed the mode: after a handback, or when the agent who was coached has left.
      this.phone.setMicrophone(seat.mode !== null && SPEAKS.has(seat.mode));
    } else if (this.seen) this.forget();
  }

  dismissFailure(): void {
    if (this.attempt.value?.failed != null) this.attempt.value = null;
  }

  private async connect(callId: string, given: Given): Promise<void> {
    this.callId.value = callId;
    this.seatId = given.seat_id;
    this.seen = false;
    await this.phone.start(given.seat_token, SPEAKS.has(given.mode));
    const { state, problem } = this.phone;
    if (state.value !== 'refused' && state.value !== 'failed') return;
    const why = problem.value || 'The line could not be opened.';
    await this.depart(callId);
    throw new Error(why);
  }

  private async depart(callId: string): Promise<void> {
    if (this.callId.value === callId) this.forget();
    try {
      await request('DELETE', `/api/calls/${callId}/supervise`);
    } catch (error) {
      // Already out of it, or the call is over: what was wanted is so.
      if (!(error instanceof Problem) || (error.status !== 404 && error.status !== 409)) throw error;
    }
  }

  private forget(): void {
    this.phone.stop(); // leaving the seat closes its leg on the server: hanging up besides would find none
    this.callId.value = null;
    this.seatId = null;
    this.seen = false;
  }

  private async attemptTo(callId: string, rung: Attempt['rung'], act: () => Promise<unknown>): Promise<void> {
    if (this.busy) return; // one step at a time: the second press of an impatient hand does nothing
    this.busy = true;
    this.attempt.value = { callId, rung, failed: null };
    try {
      await act();
      this.attempt.value = null;
    } catch (error) {
      this.attempt.value = { callId, rung, failed: reason(error) };
    } finally {
      this.busy = false;
    }
  }
}

function reason(error: unknown): string {
  if (error instanceof Problem) return error.detail || error.title;
  return error instanceof Error ? error.message : String(error);
}

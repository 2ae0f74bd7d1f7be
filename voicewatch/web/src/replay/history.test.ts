import { expect, it } from 'vitest';
import type { FactEvent } from '../lib/types';
import { history } from './history';

const fact = (type: string, at_ms: number, fields: object): FactEvent => ({ type, call_id: 'c', at_ms, seq: at_ms, ...fields });

it('tells who came, what they did and how it ended, by name', () => {
  const told = history([
    fact('seat_opened', 0, { seat_id: 'c', role: 'customer' }),
    fact('escalation_raised', 10, { headline: 'Asked for a person' }),
    fact('offer_changed', 15, { state: 'accepted' }),
    fact('seat_opened', 20, { seat_id: 'h', role: 'agent', name: 'Ines', mode: null }),
    fact('mode_changed', 30, { seat_id: 'h', mode: 'takeover' }),
    fact('seat_closed', 40, { seat_id: 'h', reason: 'left' }),
    fact('seat_closed', 50, { seat_id: 'c', reason: 'left' }),
    fact('call_ended', 50, { reason: 'customer_hangup' }),
  ]);
  expect(told.map((one) => one.text)).toEqual([
    'A person was asked for: Asked for a person.',
    'Ines came in.',
    'Ines took over; the AI is silent and listens.',
    'Ines left.',
    'The call ended: customer hangup.',
  ]);
});

it('tells what an agent does after the call as that, and hold and callbacks at all', () => {
  const told = history([
    fact('hold_began', 5, { by: 'ines' }),
    fact('hold_ended', 8, { by: 'ines' }),
    fact('offer_changed', 10, { state: 'wrapping' }),
    fact('offer_changed', 20, { state: 'timeout' }),
    fact('callback_closed', 30, { by: 'ines', outcome: 'not_reached' }),
  ]);
  expect(told.map((one) => one.text)).toEqual([
    'The customer was put on hold.',
    'Hold ended.',
    'The agent writes up the call.',
    'The offer ended: no answer.',
    'The callback: the customer was not reached.',
  ]);
});

import { describe, expect, it } from 'vitest';
import { emptyCall } from './fold';
import type { CallView, Mode, Role, Seat } from './types';
import { hearsSentence } from './words';

function seat(role: Role, name = '', mode: Mode | null = null): Seat {
  return { seat_id: role, role, who: role, name, mode, leg: 'live', muted: false };
}

function view(seats: Seat[], hears: Record<string, string[]>): CallView {
  return { ...emptyCall('c', 0).view, seats, hears };
}

const customer = seat('customer');
const ai = seat('ai');
const ines = seat('agent', 'Ines', 'takeover');
const noor = (mode: Mode): Seat => seat('supervisor', 'Noor', mode);

describe('who hears whom', () => {
  it('names all who hear an agent, who only listens, and that the AI is silent', () => {
    const now = view([customer, ai, ines, noor('monitor')], {
      customer: ['agent'],
      ai: ['customer', 'agent'],
      agent: ['customer'],
      supervisor: ['customer', 'agent'],
    });
    expect(hearsSentence(now, 'agent')).toBe('The customer, the AI and Noor hear you. The AI is silent. Noor listens.');
  });

  it('says that a coach is heard by one person only', () => {
    const now = view([customer, ai, ines, noor('coach')], { customer: ['agent'], agent: ['customer', 'supervisor'] });
    expect(hearsSentence(now, 'supervisor')).toBe('Only Ines hears you. The AI is silent.');
  });

  it('says of who monitors that nobody hears him', () => {
    const now = view([customer, ai, noor('monitor')], { customer: ['ai'], supervisor: ['customer', 'ai'] });
    expect(hearsSentence(now, 'supervisor')).toBe('Nobody hears you. You hear all.');
  });

  it('names from outside who speaks with the customer', () => {
    expect(hearsSentence(view([customer, ai], { customer: ['ai'] }), null)).toBe('The AI speaks with the customer.');
    expect(hearsSentence(view([customer], {}), null)).toBe('Nobody speaks with the customer.');
  });
});

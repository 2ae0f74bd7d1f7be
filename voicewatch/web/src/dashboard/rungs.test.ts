import { describe, expect, it } from 'vitest';
import type { CallView, Seat } from '../lib/types';
import { picture } from './hearing';
import { rungs, seatOf, type RungName } from './rungs';

const customer: Seat = { seat_id: 'c', role: 'customer', who: '', name: '', mode: null, leg: 'live', muted: false };
const ai: Seat = { seat_id: 'a', role: 'ai', who: 'demo', name: 'AI', mode: null, leg: 'live', muted: false };
const ines: Seat = { seat_id: 'h', role: 'agent', who: 'ines', name: 'Ines', mode: 'takeover', leg: 'live', muted: false };
const noor: Seat = { seat_id: 'n', role: 'supervisor', who: 'noor', name: 'Noor', mode: 'monitor', leg: 'live', muted: false };

function view(seats: Seat[], over: Partial<CallView> = {}): CallView {
  return { call_id: 'call', state: 'live', voice: 'ai', voice_name: 'AI', seats, hears: {}, offers: [], ...over } as CallView;
}

function rung(name: RungName, ...given: Parameters<typeof rungs>) {
  return rungs(...given).find((one) => one.name === name);
}

describe('rungs', () => {
  it('cannot coach an AI, and says so', () => {
    expect(rung('coach', view([customer, ai]), undefined)).toMatchObject({ state: 'blocked', says: 'no human on the call' });
  });

  it('names whom a coach is heard by', () => {
    expect(rung('coach', view([customer, ai, ines]), undefined)).toMatchObject({ state: 'rest', says: 'only Ines hears you' });
  });

  it('hands back only what a human has, and only to an AI', () => {
    expect(rung('handback', view([customer, ai, noor]), noor)?.state).toBe('blocked');
    expect(rung('handback', view([customer, ai, ines]), undefined)?.state).toBe('rest');
    expect(rung('handback', view([customer, ines]), undefined)?.says).toBe('no AI on the call');
    const lost = { ...ai, leg: 'lost' } as Seat;
    expect(rung('handback', view([customer, lost, ines]), undefined)?.state).toBe('blocked');
  });

  it('shows the mode of the seat as active', () => {
    expect(rungs(view([customer, ai, noor]), noor).filter((one) => one.state === 'active').map((one) => one.name)).toEqual([
      'monitor',
    ]);
  });

  it('says after a refusal who has the call', () => {
    const attempt = { callId: 'call', rung: 'takeover', failed: 'No line.' } as const;
    expect(rung('takeover', view([customer, ai]), undefined, attempt)).toMatchObject({
      state: 'failed',
      says: 'not done. The AI has the call',
    });
  });

  it('blocks everything in a call that is over and on a page that is not live', () => {
    const over = view([customer], { state: 'ended' });
    expect(new Set(rungs(over, undefined).map((one) => one.state))).toEqual(new Set(['blocked']));
    expect(new Set(rungs(view([ai]), undefined, null, 'not live').map((one) => one.says))).toEqual(new Set(['not live']));
  });

  it('finds one’s own seat, never another supervisor’s', () => {
    expect(seatOf(view([customer, noor]), 'noor')).toBe(noor);
    expect(seatOf(view([customer, noor]), 'lea')).toBeUndefined();
  });
});

describe('picture', () => {
  it('draws ears for a monitor and a thick arrow for a voice', () => {
    const listening = view([customer, ai, noor], { hears: { c: ['a'], a: ['c'], n: ['a', 'c'] } });
    expect(picture(listening, noor).arrows).toEqual(
      expect.arrayContaining([
        { from: 'ai', to: 'customer', kind: 'voice', mutual: true },
        { from: 'ai', to: 'you', kind: 'ear', mutual: false },
        { from: 'customer', to: 'you', kind: 'ear', mutual: false },
      ]),
    );
    const speaking = view([customer, ai, noor], { hears: { c: ['n'], a: ['c', 'n'], n: ['c'] } });
    expect(picture(speaking, noor).arrows).toEqual(
      expect.arrayContaining([{ from: 'you', to: 'customer', kind: 'own', mutual: false }]),
    );
    expect(picture(speaking, noor).people.find((one) => one.place === 'ai')?.note).toBe('silent, listening');
  });

  it('leaves the human’s place empty, or shows who is being asked', () => {
    const offers = [{ offer_id: 'o', escalation_id: 'e', agent_id: 'ines', agent_name: 'Ines', state: 'pending', expires_at_ms: 20000, at_ms: 0 }] as CallView['offers'];
    expect(picture(view([customer, ai], { offers }), undefined).people).toContainEqual({
      place: 'human',
      name: 'Ines',
      present: false,
      note: 'ringing',
    });
  });
});

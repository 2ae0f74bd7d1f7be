import { describe, expect, it } from 'vitest';
import type { CallView, Utterance } from '../lib/types';
import { signedRuns, spread } from './curves';
import { lines, pieces } from './lines';

function said(id: string, start_ms: number, text: string, words: Utterance['words'] = []): Utterance {
  return { utterance_id: id, seat_id: 'c', role: 'customer', start_ms, end_ms: start_ms + 900, text, words } as Utterance;
}

describe('lines', () => {
  it('puts an alert under the words that caused it, and gaps in their place', () => {
    const view = {
      alerts: [{ alert_id: 'alert', utterance_ids: ['u1'], at_ms: 9000 }],
      gaps: [{ seat_id: 'c', start_ms: 3000, end_ms: 5000, reason: 'model_died' }],
    } as CallView;
    const found = lines(view, [said('u1', 1000, 'a'), said('u2', 6000, 'b')]);
    expect(found.map((one) => one.key)).toEqual(['u1', 'alert', 'gap-c-3000', 'u2']);
  });
});

describe('pieces', () => {
  it('marks evidence, doubtful words and masks, and loses no letter', () => {
    const text = 'I want a person at [phone] now';
    const words = text.split(' ').map((word) => ({ text: word, start_ms: 0, end_ms: 0, probability: word === 'now' ? 0.3 : 0.9 }));
    const evidence = [{ kind: 'rule', quote: '', utterance_id: 'u', start: 2, end: 15, value: null, note: '' }];
    const found = pieces(said('u', 0, text, words), evidence);
    expect(found.map((one) => one.text).join('')).toBe(text);
    expect(found.filter((one) => one.evidence).map((one) => one.text)).toEqual(['want a person']);
    expect(found.filter((one) => one.masked).map((one) => one.text)).toEqual(['[phone]']);
    expect(found.filter((one) => one.probability !== null).map((one) => one.text)).toEqual(['now']);
  });

  it('survives evidence that points outside of the text', () => {
    const evidence = [{ kind: 'rule', quote: '', utterance_id: 'u', start: 4, end: 99, value: null, note: '' }];
    expect(pieces(said('u', 0, 'short'), evidence).map((one) => one.text).join('')).toBe('short');
  });
});

describe('signedRuns', () => {
  it('cuts the line where it crosses zero', () => {
    const runs = signedRuns([{ x: 0, value: 2 }, { x: 4, value: -2 }]);
    expect(runs.map((run) => run.sign)).toEqual(['pos', 'neg']);
    expect(runs[0]?.points.at(-1)).toEqual({ x: 2, value: 0 });
    expect(runs[1]?.points[0]).toEqual({ x: 2, value: 0 });
  });
});

describe('spread', () => {
  it('moves apart what coincides and leaves the rest', () => {
    expect(spread([10, 100, 100], 15)).toEqual([10, 85, 100]);
  });
});

import { describe, expect, it } from 'vitest';
import { callClock, emptyCall, type LiveCall, withFact, withSignal, withView } from './fold';
import type { CallView, FactEvent, Interim, Utterance } from './types';

const START = 1_000;

function call(): LiveCall {
  return emptyCall('c1', START);
}

function fact(seq: number, type: string, more: object = {}): FactEvent {
  return { type, call_id: 'c1', at_ms: seq * 100, seq, ...more };
}

function final(seq: number, utterance_id: string, start_ms: number, more: object = {}): FactEvent {
  return fact(seq, 'utterance_final', {
    utterance_id,
    seat_id: 's1',
    role: 'customer',
    start_ms,
    end_ms: start_ms + 500,
    text: utterance_id,
    ...more,
  });
}

function view(more: Partial<CallView> & { utterances?: Utterance[] } = {}): CallView {
  return { ...call().view, label: '··1', ...more };
}

const interim: Interim = {
  type: 'interim',
  call_id: 'c1',
  utterance_id: 'u1',
  seat_id: 's1',
  role: 'customer',
  start_ms: 100,
  committed: 'I want',
  tail: 'to',
};

describe('facts', () => {
  it('change nothing when they are told twice', () => {
    const once = withFact(call(), final(3, 'u1', 100), START);
    expect(withFact(once, final(3, 'u1', 100), START)).toBe(once);
    expect(withFact(once, final(2, 'u0', 0), START)).toBe(once);
  });

  it('put utterances in the order in which they were begun', () => {
    let now = withFact(call(), final(1, 'late', 900), START);
    now = withFact(now, final(2, 'early', 100), START);
    expect(now.utterances.map((one) => one.utterance_id)).toEqual(['early', 'late']);
  });

  it('end the interim text that the final one replaces, and no other', () => {
    const speaking = withSignal(withSignal(call(), interim), { ...interim, seat_id: 's2' });
    const settled = withFact(speaking, final(1, 'u1', 100), START);
    expect([...settled.interims.keys()]).toEqual(['s2']);
    const next = withSignal(settled, { ...interim, start_ms: 2_000 });
    expect(withFact(next, final(2, 'u2', 1_000), START).interims.has('s1')).toBe(true);
  });

  it('score an utterance and keep the scores when its text is replaced', () => {
    const sentiment = { score: -3, label: 'negative', confidence: 0.9 };
    let now = withFact(call(), final(1, 'u1', 100), START);
    now = withFact(now, fact(2, 'utterance_scored', { utterance_id: 'u1', sentiment }), START);
    now = withFact(now, final(3, 'u1', 100, { text: 'better' }), START);
    expect(now.utterances).toHaveLength(1);
    expect(now.utterances[0]).toMatchObject({ text: 'better', sentiment });
  });

  it('raise an alert once under its id, let it grow, and settle it', () => {
    let now = withFact(call(), fact(1, 'alert_raised', { alert_id: 'a', severity: 'watch', headline: 'x' }), START);
    now = withFact(now, fact(2, 'alert_raised', { alert_id: 'a', severity: 'high', headline: 'y' }), START);
    expect(now.view.alerts).toMatchObject([{ severity: 'high', headline: 'y', state: 'open' }]);
    expect(withFact(now, fact(3, 'alert_cleared', { alert_id: 'a', by: '' }), START).view.alerts[0]?.state).toBe(
      'cleared',
    );
    expect(withFact(now, fact(3, 'alert_cleared', { alert_id: 'a', by: 'noor' }), START).view.alerts[0]?.state).toBe(
      'dismissed',
    );
  });
});

describe('views', () => {
  it('without utterances keep those that are known, and do not skip facts to come', () => {
    const said = withFact(call(), final(1, 'u1', 100), START);
    const seen = withView(said, view({ last_seq: 9 }), START);
    expect(seen.utterances).toHaveLength(1);
    expect(seen.seq).toBe(1);
    expect(withFact(seen, final(2, 'u2', 900), START).utterances).toHaveLength(2);
  });

  it('with utterances say all up to their last fact', () => {
    const said = withFact(call(), final(1, 'u1', 100), START);
    const seen = withView(said, view({ last_seq: 9, utterances: [] }), START);
    expect(seen.utterances).toEqual([]);
    expect(withFact(seen, final(9, 'u1', 100), START)).toBe(seen);
  });

  it('of an ended call take what was only passing', () => {
    const speaking = withSignal(call(), interim);
    const ended = withView(speaking, view({ state: 'ended', duration_ms: 4_000 }), START);
    expect(ended.interims.size).toBe(0);
    expect(callClock(ended, START + 60_000)).toBe(4_000);
  });
});

describe('the clock of a call', () => {
  it('runs on from the last that was heard of it and never goes back', () => {
    const seen = withView(call(), view({ duration_ms: 5_000 }), START);
    expect(callClock(seen, START + 2_000)).toBe(7_000);
    const later = withFact(seen, { ...fact(1, 'silence_began'), at_ms: 6_000 }, START + 2_000);
    expect(callClock(later, START + 2_000)).toBe(7_000);
  });
});

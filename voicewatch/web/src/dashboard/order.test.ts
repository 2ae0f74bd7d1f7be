import { describe, expect, it } from 'vitest';
import type { CallView } from '../lib/types';
import { flat, heldLayout, layout, wouldMove } from './order';

function view(call_id: string, over: Partial<CallView> = {}): CallView {
  return {
    call_id,
    state: 'live',
    severity: 'calm',
    voice: 'ai',
    started_at: '2025-01-01T10:00:00Z',
    escalation: null,
    ...over,
  } as CallView;
}

describe('layout', () => {
  it('puts the worst first and what has ended last', () => {
    const order = layout([
      view('well'),
      view('over', { state: 'ended', severity: 'critical' }),
      view('eye', { severity: 'watch' }),
      view('high', { severity: 'high' }),
      view('critical', { severity: 'critical' }),
    ]);
    expect(order).toEqual({ now: ['critical', 'high'], watch: ['eye'], well: ['well'], ended: ['over'] });
  });

  it('puts a call with a person on it below one without, and the longest waiting first', () => {
    const order = layout([
      view('helped', { severity: 'critical', voice: 'agent', started_at: '2025-01-01T09:00:00Z' }),
      view('newer', { severity: 'critical', started_at: '2025-01-01T10:01:00Z' }),
      view('older', { severity: 'critical' }),
    ]);
    expect(order.now).toEqual(['older', 'newer', 'helped']);
  });

  it('shows the latest ended call first', () => {
    const order = layout([
      view('a', { state: 'ended' }),
      view('b', { state: 'interrupted', started_at: '2025-01-01T11:00:00Z' }),
    ]);
    expect(order.ended).toEqual(['b', 'a']);
  });
});

describe('a held order', () => {
  const shown = layout([view('a'), view('b'), view('c')]);

  it('keeps every row where it is, in its group, whatever became of it', () => {
    const fresh = layout([view('a'), view('b', { severity: 'critical' }), view('c')]);
    expect(heldLayout(shown, fresh)).toEqual(shown);
    expect(wouldMove(shown, fresh)).toBe(1);
  });

  it('lets new calls in at the end of their group and gone ones out', () => {
    const fresh = layout([view('new', { severity: 'high' }), view('a'), view('c')]);
    expect(flat(heldLayout(shown, fresh))).toEqual(['new', 'a', 'c']);
  });

  it('would move nothing if nothing changed', () => {
    expect(wouldMove(shown, shown)).toBe(0);
  });
});

/** What happened in a call besides words, from its facts, one line each. */
import { spaced } from '../lib/format';
import type { FactEvent } from '../lib/types';
import type { Note } from '../components/lines';

type Tell = (fact: FactEvent, names: ReadonlyMap<string, string>) => [text: string, human: boolean] | null;

const text = (value: unknown): string => (typeof value === 'string' ? value : '');
const person = (fact: FactEvent, names: ReadonlyMap<string, string>): string => names.get(text(fact.seat_id)) ?? 'Somebody';

const MODE: Record<string, string> = {
  monitor: 'listens; nobody hears this person',
  coach: 'coaches; only the agent hears this person',
  barge: 'joined; everybody hears this person',
  takeover: 'took over; the AI is silent and listens',
};

const TELL: Record<string, Tell> = {
  seat_opened: (fact, names) =>
    fact.role === 'agent' || fact.role === 'supervisor'
      ? [`${person(fact, names)} came in${fact.mode ? `: ${MODE[text(fact.mode)] ?? text(fact.mode)}` : ''}.`, true]
      : null,
  seat_closed: (fact, names) => (names.has(text(fact.seat_id)) ? [`${person(fact, names)} left.`, true] : null),
  mode_changed: (fact, names) => [`${person(fact, names)} ${MODE[text(fact.mode)] ?? text(fact.mode)}.`, true],
  escalation_raised: (fact) => [`A person was asked for: ${text(fact.headline)}.`, false],
  offer_made: (fact) => [`Offered to ${text(fact.agent_name) || 'an agent'}.`, false],
  offer_changed: (fact) => {
    const ended = OFFER[text(fact.state)];
    return ended ? [`The offer ended: ${ended}.`, false] : (AFTER_CALL[text(fact.state)] ?? null);
  },
  nobody_free: () => ['Nobody was free.', false],
  handoff_changed: (fact) => (fact.state === 'failed' ? [`The handoff failed: ${spaced(text(fact.reason)).toLowerCase()}.`, false] : null),
  callback_requested: () => ['Agreed: the customer is called back.', false],
  callback_closed: (fact) => [`The callback: ${CALLBACK[text(fact.outcome)] ?? text(fact.outcome)}.`, true],
  hold_began: () => ['The customer was put on hold.', true],
  hold_ended: () => ['Hold ended.', true],
  handed_back: () => ['Handed back: the AI has the call again.', false],
  nudged: (fact) => [`The AI was told in writing: “${text(fact.text)}”`, false],
  clock_rebased: () => ['The media process was replaced; a moment of sound was lost.', false],
  recording_changed: (fact) => [fact.state === 'paused' ? 'The recording was paused.' : 'The recording went on.', false],
  recording_gap: () => ['A part is missing in a recording.', false],
  disposition_set: (fact) => [`Outcome: ${spaced(text(fact.code)).toLowerCase()}.`, true],
  call_ended: (fact) => [`The call ended: ${spaced(text(fact.reason)).toLowerCase()}.`, false],
};

const CALLBACK: Record<string, string> = {
  reached: 'the customer was reached',
  not_reached: 'the customer was not reached',
  withdrawn: 'not wanted any more',
};

/** States of an offer that was accepted: what the agent does when he has left the call. */
const AFTER_CALL: Record<string, [text: string, human: boolean]> = {
  wrapping: ['The agent writes up the call.', true],
  completed: ['The agent is done with the call.', true],
};

const OFFER: Record<string, string> = {
  rejected: 'declined',
  timeout: 'no answer',
  canceled: 'not needed any more',
  rescinded: 'withdrawn',
};

/** Name of the agent or supervisor in each seat. */
export function staffIn(facts: readonly FactEvent[]): Map<string, string> {
  const names = new Map<string, string>();
  for (const fact of facts) {
    if (fact.type !== 'seat_opened' || (fact.role !== 'agent' && fact.role !== 'supervisor')) continue;
    names.set(text(fact.seat_id), text(fact.name) || spaced(text(fact.role)));
  }
  return names;
}

export function history(facts: readonly FactEvent[]): Note[] {
  const names = staffIn(facts);
  return facts.flatMap((fact) => {
    const told = TELL[fact.type]?.(fact, names);
    return told ? [{ at_ms: fact.at_ms, text: told[0], human: told[1] }] : [];
  });
}

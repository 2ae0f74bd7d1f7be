/** How what the feed says changes what is known of a call. Pure: every function returns a new value. */
import type {
  Alert,
  CallView,
  CustomerView,
  FactEvent,
  Interim,
  Levels,
  Sentiment,
  SignalEvent,
  Uncertainty,
  Utterance,
} from './types';

export interface LiveCall {
  view: CallView;
  /** A view has come; before that `view` holds nothing. */
  known: boolean;
  /** In order of their beginning. */
  utterances: Utterance[];
  /** By seat. */
  interims: Map<string, Interim>;
  levels: Levels | null;
  /** Number of the last fact folded in: one told twice changes nothing. */
  seq: number;
  /** Where the call's clock stood, and when (performance.now()) this page learned it. */
  clock: { at_ms: number; seen_ms: number };
}

const NOTHING_KNOWN: CallView = {
  call_id: '',
  label: '',
  title: 'Call',
  state: 'live',
  started_at: null,
  duration_ms: 0,
  attributes: {},
  customer_name: '',
  voice: 'nobody',
  voice_name: '',
  severity: 'calm',
  headline: '',
  sentiment: null,
  uncertainty: null,
  series: [],
  last: null,
  seats: [],
  hears: {},
  alerts: [],
  escalation: null,
  handoff: null,
  offers: [],
  briefing: null,
  gaps: [],
  nobody_free: false,
  on_hold: false,
  queue: null,
  callback: null,
  labels: [],
  disposition: null,
  recordings: 0,
  recording: 'on',
  engine: '',
  last_seq: 0,
};

export function emptyCall(call_id: string, now_ms: number): LiveCall {
  return {
    view: { ...NOTHING_KNOWN, call_id },
    known: false,
    utterances: [],
    interims: new Map(),
    levels: null,
    seq: 0,
    clock: { at_ms: 0, seen_ms: now_ms },
  };
}

/** The call's clock now, in ms; it stands still once the call has ended. */
export function callClock(call: LiveCall, now_ms: number): number {
  if (call.view.state !== 'live') return call.view.duration_ms;
  return call.clock.at_ms + Math.max(0, now_ms - call.clock.seen_ms);
}

/**
 * Takes a view. One with utterances says all that is known up to its `last_seq`; one without (and the few
 * fields a customer gets) replaces what is shown of the call and keeps its utterances.
 */
export function withView(call: LiveCall, view: CallView | CustomerView, now_ms: number): LiveCall {
  const merged = { ...call.view, ...view };
  const ended = merged.state !== 'live';
  const whole = merged.utterances;
  delete merged.utterances;
  return {
    ...call,
    view: merged,
    known: true,
    utterances: whole ? inOrder(whole) : call.utterances,
    seq: whole ? Math.max(call.seq, merged.last_seq) : call.seq,
    interims: ended ? new Map() : call.interims,
    levels: ended ? null : call.levels,
    clock: forward(call, merged.duration_ms, now_ms),
  };
}

/** Takes a fact; the same object back if it was folded in before. */
export function withFact(call: LiveCall, fact: FactEvent, now_ms: number): LiveCall {
  if (fact.seq <= call.seq) return call;
  const next: LiveCall = { ...call, seq: fact.seq, clock: forward(call, fact.at_ms, now_ms) };
  switch (fact.type) {
    case 'utterance_final':
      return withFinal(next, fact);
    case 'utterance_scored':
      return withScores(next, fact);
    case 'alert_raised':
      return withAlert(next, fact);
    case 'alert_cleared':
      return withoutAlert(next, fact);
    case 'call_ended':
      return { ...next, interims: new Map(), levels: null };
    default:
      return next;
  }
}

/** Takes the latest value of something. */
export function withSignal(call: LiveCall, event: SignalEvent): LiveCall {
  switch (event.type) {
    case 'interim':
      return { ...call, interims: new Map(call.interims).set(event.seat_id, event) };
    case 'levels':
      return { ...call, levels: { dbfs: event.dbfs, voiced: event.voiced } };
    default:
      return call;
  }
}

function forward(call: LiveCall, at_ms: number, now_ms: number): LiveCall['clock'] {
  return at_ms > callClock(call, now_ms) || call.clock.at_ms === 0
    ? { at_ms, seen_ms: now_ms }
    : call.clock;
}

function withFinal(call: LiveCall, fact: FactEvent): LiveCall {
  const said = fact as unknown as Utterance;
  const known = call.utterances.find((one) => one.utterance_id === said.utterance_id);
  const utterance: Utterance = {
    utterance_id: said.utterance_id,
    seat_id: said.seat_id,
    role: said.role,
    start_ms: said.start_ms,
    end_ms: said.end_ms,
    text: said.text,
    words: said.words ?? [],
    language: said.language ?? 'en',
    source: said.source ?? 'asr',
    suspect: said.suspect ?? false,
    low_fidelity: said.low_fidelity ?? false,
    sentiment: known?.sentiment ?? null,
    uncertainty: known?.uncertainty ?? null,
    evidence: known?.evidence ?? [],
  };
  const others = call.utterances.filter((one) => one !== known);
  const interims = new Map(call.interims);
  const interim = interims.get(said.seat_id);
  if (interim && interim.start_ms <= said.end_ms) interims.delete(said.seat_id);
  return { ...call, utterances: inOrder([...others, utterance]), interims };
}

function withScores(call: LiveCall, fact: FactEvent): LiveCall {
  const scored = {
    sentiment: (fact.sentiment as Sentiment | null | undefined) ?? null,
    uncertainty: (fact.uncertainty as Uncertainty | null | undefined) ?? null,
    evidence: (fact.evidence as Utterance['evidence'] | undefined) ?? [],
  };
  return {
    ...call,
    utterances: call.utterances.map((one) =>
      one.utterance_id === fact.utterance_id ? { ...one, ...scored } : one,
    ),
  };
}

function withAlert(call: LiveCall, fact: FactEvent): LiveCall {
  const told = fact as unknown as Alert;
  const alert: Alert = {
    alert_id: told.alert_id,
    rule: told.rule,
    severity: told.severity,
    reasons: told.reasons ?? [],
    headline: told.headline,
    at_ms: fact.at_ms,
    utterance_ids: told.utterance_ids ?? [],
    evidence: told.evidence ?? [],
    state: 'open',
  };
  const others = call.view.alerts.filter((one) => one.alert_id !== alert.alert_id);
  return { ...call, view: { ...call.view, alerts: [...others, alert] } };
}

function withoutAlert(call: LiveCall, fact: FactEvent): LiveCall {
  const state = fact.by ? 'dismissed' : 'cleared';
  const alerts = call.view.alerts.map((one): Alert =>
    one.alert_id === fact.alert_id ? { ...one, state } : one,
  );
  return { ...call, view: { ...call.view, alerts } };
}

function inOrder(utterances: readonly Utterance[]): Utterance[] {
  return [...utterances].sort((a, b) => a.start_ms - b.start_ms || a.end_ms - b.end_ms);
}

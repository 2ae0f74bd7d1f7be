/** What the server tells, as docs/API.md and core/events define it. Times `_ms` are on the call's clock. */

export type Role = 'customer' | 'ai' | 'agent' | 'supervisor';
export type Mode = 'monitor' | 'coach' | 'barge' | 'takeover';
export type Severity = 'critical' | 'high' | 'watch' | 'calm';
export type Voice = 'ai' | 'agent' | 'supervisor' | 'nobody';
export type LegState = 'none' | 'connecting' | 'live' | 'stalled' | 'lost';
export type CallState = 'live' | 'ended' | 'interrupted';
export type OfferState = 'pending' | 'accepted' | 'rejected' | 'timeout' | 'canceled' | 'rescinded' | 'wrapping' | 'completed';
export type HandoffState =
  | 'requested'
  | 'briefing'
  | 'ringing'
  | 'accepted'
  | 'bridged'
  | 'rejected'
  | 'failed'
  | 'canceled'
  | 'completed';
export type PresenceState = 'available' | 'ringing' | 'on_call' | 'wrap_up' | 'away' | 'offline';
/** What a person may say of the system's work (core/labels.py). */
export type LabelAbout = 'call' | 'escalation' | 'alert' | 'transcript' | 'sentiment' | 'uncertainty';

/** Who is signed in. */
export interface Account {
  role: Role | 'admin' | 'integration';
  name: string;
  sub: string;
  grants?: string[];
}

/** -5 .. +5; confidence 0..1. A call's own mood has a trend as well. */
export interface Sentiment {
  score: number;
  label: 'negative' | 'neutral' | 'positive' | 'mixed';
  confidence: number;
  trend?: 'rising' | 'falling' | 'steady';
}

/** 0..1, total and parts; a part that could not be scored is null. */
export interface Uncertainty {
  score: number;
  recognition: number | null;
  speaker: number | null;
  dialogue: number | null;
}

export interface Word {
  text: string;
  start_ms: number;
  end_ms: number;
  probability: number | null;
}

export interface Evidence {
  kind: string;
  quote: string;
  utterance_id: string | null;
  start: number | null;
  end: number | null;
  value: number | null;
  note: string;
}

export interface Utterance {
  utterance_id: string;
  seat_id: string;
  role: Role;
  start_ms: number;
  end_ms: number;
  text: string;
  words: Word[];
  language: string;
  source: 'asr' | 'reported';
  suspect: boolean;
  low_fidelity: boolean;
  sentiment: Sentiment | null;
  uncertainty: Uncertainty | null;
  evidence: Evidence[];
}

export interface Alert {
  alert_id: string;
  rule: string;
  severity: Severity;
  reasons: string[];
  headline: string;
  at_ms: number;
  utterance_ids: string[];
  evidence: Evidence[];
  state: 'open' | 'cleared' | 'dismissed';
}

export interface Offer {
  offer_id: string;
  escalation_id: string;
  agent_id: string;
  agent_name: string;
  state: OfferState;
  expires_at_ms: number;
  at_ms: number;
}

export interface Seat {
  seat_id: string;
  role: Role;
  who: string;
  name: string;
  mode: Mode | null;
  leg: LegState;
  /** An agent whose line is lost may come back into his seat until then (the call's clock). */
  kept_until_ms?: number | null;
  muted: boolean;
}

/** A call that waits for a person: nobody's words or name. */
export interface Waiting {
  call_id: string;
  position: number;
  severity: Severity;
  reasons: string[];
  headline: string;
  queue: string;
  tier: string;
  language: string;
  waiting_ms: number;
  ringing_at: string[];
}

export interface QueueState {
  waiting: Waiting[];
  queues: string[];
  /** Codes an agent may end his wrap-up with. */
  dispositions: string[];
}

export interface Callback {
  by: string;
  number: string;
  when: string;
  note: string;
  at_ms: number;
}

/** A customer to be called back. */
export interface CallbackRow {
  call_id: string;
  label: string;
  title: string;
  started_at: string | null;
  callback: Callback;
}

export interface Label {
  by: string;
  about: LabelAbout;
  target: string;
  value: string;
  text: string;
  note: string;
}

/** Figures over past calls, by the definitions of docs/API.md; a share without a base is null. */
export interface Insights {
  days: number;
  monitored: number;
  escalated: number;
  assigned: number;
  dropped: number;
  containment_rate: number | null;
  judged: number;
  escalation_precision: number | null;
  escalation_recall: number | null;
  context_retention_rate: number | null;
  time_to_voice_s: { count: number; p50: number; p95: number } | null;
  sentiment: { with_ai: number | null; with_human: number | null; change: number | null };
}

export interface Gap {
  seat_id: string;
  start_ms: number;
  end_ms: number;
  reason: string;
}

export interface SeriesPoint {
  at_ms: number;
  role: Role;
  sentiment: number | null;
  uncertainty: number | null;
}

/** What the human reads before speaking. */
export interface Briefing {
  why_now: string;
  wants: string;
  known: string[];
  tried: string[];
  do_not_ask: string[];
  commitments: string[];
  next_steps: string[];
  opening: string;
  mood: [at_ms: number, score: number][];
  doubt: [at_ms: number, score: number][];
  last_turns: [role: string, text: string][];
  notes: string[];
  /** Sentences that calm, for this kind of trouble. */
  phrases: string[];
  /** Earlier calls of this customer, newest first. */
  history: string[];
  recording: string;
  /** By a language model, if one is set up; empty otherwise. */
  summary: string;
}

/** Without `utterances` it is a row; with them the whole call. */
export interface CallView {
  call_id: string;
  label: string;
  title: string;
  state: CallState;
  started_at: string | null;
  duration_ms: number;
  attributes: Record<string, string>;
  customer_name: string;
  voice: Voice;
  voice_name: string;
  severity: Severity;
  headline: string;
  sentiment: Sentiment | null;
  uncertainty: Uncertainty | null;
  series: SeriesPoint[];
  last: { role: Role; text: string } | null;
  seats: Seat[];
  hears: Record<string, string[]>;
  alerts: Alert[];
  escalation: {
    escalation_id: string;
    severity: Severity;
    reasons: string[];
    headline: string;
    at_ms: number;
  } | null;
  handoff: { handoff_id: string; state: HandoffState; reason: string; agent_id: string } | null;
  offers: Offer[];
  briefing: Briefing | null;
  utterances?: Utterance[];
  gaps: Gap[];
  nobody_free: boolean;
  on_hold: boolean;
  queue: {
    name: string;
    since_ms: number;
    why: 'no_agents' | 'busy' | 'closed' | null;
    position: number | null;
    expected_wait_s: number | null;
    opens_at: string | null;
  } | null;
  callback: Callback | null;
  labels: Label[];
  disposition: { agent_id: string; code: string; note: string } | null;
  recordings: number;
  /** off: the customer did not agree to it. */
  recording: 'on' | 'paused' | 'off';
  engine: string;
  last_seq: number;
}

/** All that the customer's own page is told. */
export type CustomerView = Pick<CallView, 'call_id' | 'state' | 'voice' | 'voice_name'>;

export interface AgentRow {
  agent_id: string;
  name: string;
  state: PresenceState;
  call_id?: string | null;
  /** Milliseconds of the server’s own clock: good for comparing only. */
  since: number;
}

export interface SystemStatus {
  processes: Record<string, string>;
  degraded: string[];
  analysis_lag_ms: number;
  engines: Record<string, string>;
}

/** A journalled event. */
export interface FactEvent {
  type: string;
  call_id: string;
  at_ms: number;
  seq: number;
  at?: string | null;
  [field: string]: unknown;
}

/** Text of an utterance being spoken: only `tail` may still change. */
export interface Interim {
  type: 'interim';
  call_id: string;
  utterance_id: string;
  seat_id: string;
  role: Role;
  start_ms: number;
  committed: string;
  tail: string;
}

export interface Levels {
  dbfs: Record<string, number>;
  voiced: string[];
}

export interface You extends Account {
  presence?: PresenceState;
}

export type SignalEvent =
  | Interim
  | ({ type: 'levels'; call_id: string } & Levels)
  | ({ type: 'system'; call_id: string } & SystemStatus)
  | { type: 'leg_stats'; call_id: string; seat_id: string };

export type FeedMessage =
  | {
      type: 'snapshot';
      cursor: string;
      resumed: boolean;
      you: You;
      calls: CallView[];
      agents: AgentRow[];
      system: SystemStatus;
    }
  | { type: 'fact'; cursor: string; event: FactEvent }
  | { type: 'signal'; event: SignalEvent }
  | { type: 'call'; view: CallView | CustomerView }
  | { type: 'agents'; agents: AgentRow[] }
  | { type: 'gone'; call_id: string }
  | { type: 'ping' };

/** Short words for people about a call. */
import { clock, spaced } from '../lib/format';
import type { CallView, Role, Utterance } from '../lib/types';

export const SPEAKER: Record<Role, string> = { customer: 'Customer', ai: 'AI', agent: 'Agent', supervisor: 'Supervisor' };

/** EN, DE …: what the customer speaks, as last recognised, else as the call says of itself. */
export function languageOf(view: CallView, utterances: readonly Utterance[]): string {
  const heard = utterances.findLast((one) => one.role === 'customer')?.language;
  return (heard ?? view.attributes.language ?? '').slice(0, 2).toUpperCase();
}

/** Whether somebody is coming: "Rings at Ines 0:09", "Nobody free". */
export function offerSays(view: CallView, at_ms: number, isLive: boolean): string {
  if (view.state !== 'live') return '';
  const ringing = view.offers.find((offer) => offer.state === 'pending');
  if (ringing) {
    const left = isLive ? ` ${clock(Math.max(0, ringing.expires_at_ms - at_ms) + 999)}` : '';
    return `Rings at ${ringing.agent_name || 'an agent'}${left}`;
  }
  if (view.voice === 'agent' || view.voice === 'supervisor') return '';
  if (view.handoff?.state === 'accepted') return 'Answered, connecting';
  if (view.nobody_free) return 'Nobody free';
  return view.escalation ? 'Nobody on it' : '';
}

const GAP: Record<string, string> = {
  model_died: 'The recogniser was restarted. The call itself went on unharmed.',
  overload: 'Too much to transcribe at once. The call itself went on unharmed.',
  leg_lost: 'The line was lost here.',
};

export function gapSays(reason: string): string {
  return GAP[reason] ?? `Not transcribed: ${reason.replaceAll('_', ' ')}.`;
}

const DEGRADED: Record<string, string> = {
  analysis: 'Transcripts, moods and alerts are paused.',
  recording: 'Recording is paused.',
  media: 'Some lines are being reconnected.',
  journal: 'Nothing new can be written down.',
  'transcription is behind': 'Transcription is behind: words, moods and alerts come late.',
};

/** What of the house is degraded, in sentences. */
export function degradedSays(parts: readonly string[]): string {
  return parts.map((part) => DEGRADED[part] ?? `${spaced(part)}.`).join(' ');
}

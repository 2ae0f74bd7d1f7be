/** What stands in a transcript, in order: what was said, what it raised, where nothing was written down. */
import type { Alert, CallView, Evidence, Utterance, Word } from '../lib/types';

export interface Note {
  at_ms: number;
  text: string;
  human: boolean;
}

export type Line =
  | { kind: 'utterance'; key: string; at_ms: number; utterance: Utterance }
  | { kind: 'alert'; key: string; at_ms: number; alert: Alert }
  | { kind: 'gap'; key: string; at_ms: number; gap: CallView['gaps'][number] }
  | { kind: 'note'; key: string; at_ms: number; note: Note };

/** An alert stands under the last utterance it names, whenever it was raised. */
export function lines(view: CallView, utterances: readonly Utterance[], notes: readonly Note[] = []): Line[] {
  const saidAt = new Map(utterances.map((one) => [one.utterance_id, one.start_ms]));
  const all: Line[] = [
    ...utterances.map((utterance): Line => ({
      kind: 'utterance',
      key: utterance.utterance_id,
      at_ms: utterance.start_ms,
      utterance,
    })),
    ...view.gaps.map((gap): Line => ({
      kind: 'gap',
      key: `gap-${gap.seat_id}-${gap.start_ms}`,
      at_ms: gap.start_ms,
      gap,
    })),
    ...notes.map((note, place): Line => ({ kind: 'note', key: `note-${place}`, at_ms: note.at_ms, note })),
    ...view.alerts.map((alert): Line => {
      const said = alert.utterance_ids.flatMap((id) => saidAt.get(id) ?? []);
      return { kind: 'alert', key: alert.alert_id, at_ms: said.length ? Math.max(...said) : alert.at_ms, alert };
    }),
  ];
  const rank = { utterance: 0, alert: 1, gap: 2, note: 3 };
  return all.sort((a, b) => a.at_ms - b.at_ms || rank[a.kind] - rank[b.kind]);
}

/** A stretch of an utterance's text that is shown in one manner. */
export interface Piece {
  text: string;
  /** Words that raised an alert. */
  evidence: boolean;
  /** How sure the recogniser was of this word, where it was not. */
  probability: number | null;
  /** A place holder for something private. */
  masked: boolean;
}

/** A word recognised with less than this is marked. */
export const DOUBTFUL = 0.5;
const MASKED = /\[[a-z][a-z_ ]*\]/g;

export function pieces(utterance: Utterance, evidence: readonly Evidence[]): Piece[] {
  const { text } = utterance;
  const marked = evidence.flatMap((one) =>
    one.utterance_id === utterance.utterance_id && one.start !== null && one.end !== null
      ? [{ start: one.start, end: one.end }]
      : [],
  );
  const masked = [...text.matchAll(MASKED)].map((one) => ({ start: one.index, end: one.index + one[0].length }));
  const doubtful = doubtfulWords(text, utterance.words);
  const cuts = [...marked, ...masked, ...doubtful].flatMap(({ start, end }) => [start, end]);
  const edges = [...new Set([0, text.length, ...cuts])]
    .filter((place) => place >= 0 && place <= text.length)
    .sort((a, b) => a - b);
  return edges.slice(1).map((end, place) => {
    const start = edges[place] ?? 0;
    const inside = (span: { start: number; end: number }) => span.start <= start && end <= span.end;
    return {
      text: text.slice(start, end),
      evidence: marked.some(inside),
      probability: doubtful.find(inside)?.probability ?? null,
      masked: masked.some(inside),
    };
  });
}

function doubtfulWords(text: string, words: readonly Word[]): { start: number; end: number; probability: number }[] {
  const lower = text.toLowerCase();
  let from = 0;
  return words.flatMap((word) => {
    const spoken = word.text.trim();
    const start = lower.indexOf(spoken.toLowerCase(), from);
    if (!spoken || start < 0) return [];
    from = start + spoken.length;
    return word.probability !== null && word.probability < DOUBTFUL
      ? [{ start, end: from, probability: word.probability }]
      : [];
  });
}

/** After the call: one outcome, and the next one may ring. */
import { useState } from 'preact/hooks';
import type { LiveCall } from '../lib/fold';
import { clock, mood } from '../lib/format';
import type { DispositionCode } from '../lib/types';
import * as store from './store';

const OUTCOMES: Record<DispositionCode, string> = {
  resolved: 'Resolved',
  follow_up: 'Call back agreed',
  refund: 'Refund sent',
  transferred: 'Passed on',
  no_help: 'Not solved',
  other: 'Something else',
};

export function WrapUp({ call }: { call: LiveCall | undefined }) {
  const [code, setCode] = useState<DispositionCode | null>(null);
  return (
    <form
      class="wrap"
      onSubmit={(event) => {
        event.preventDefault();
        if (code) void store.wrapUp(code);
      }}
    >
      <h1 class="big">How did it end?</h1>
      {call && <p class="soft">{summary(call)}</p>}
      <fieldset class="fld">
        <legend class="label">Outcome</legend>
        <div class="opts">
          {Object.entries(OUTCOMES).map(([value, words]) => (
            <label key={value} class="opt" data-testid={`wrap-code-${value}`}>
              <input
                type="radio"
                name="outcome"
                checked={code === value}
                onChange={() => setCode(value as DispositionCode)}
              />
              {words}
            </label>
          ))}
        </div>
      </fieldset>
      <div class="fld">
        <label class="label" for="wrap-note">
          Note, for whoever speaks with this customer next
        </label>
        <NoteField id="wrap-note" rows={4} />
      </div>
      <div class="wrap__end">
        <button type="submit" class="btn btn--main btn--l" data-testid="wrap-done" disabled={code === null}>
          Done, next call <kbd>Ctrl ↵</kbd>
        </button>
        <span class="small muted">{code === null ? 'Choose an outcome first.' : 'You are available again after this.'}</span>
      </div>
    </form>
  );
}

/** One note from the call to its outcome. */
export function NoteField({ id, rows }: { id: string; rows: number }) {
  return (
    <textarea
      id={id}
      class="field"
      rows={rows}
      maxLength={2000}
      value={store.note.value}
      onInput={(event) => {
        store.note.value = event.currentTarget.value;
      }}
    />
  );
}

function summary({ view }: LiveCall): string {
  const moods = view.series.filter((point) => point.role === 'customer' && point.sentiment !== null);
  const [first, last] = [moods[0]?.sentiment, moods.at(-1)?.sentiment];
  const went = first != null && last != null ? ` Mood from ${mood(first)} to ${mood(last)}.` : '';
  const now = view.state === 'live' ? 'The AI has the call again.' : `Ended after ${clock(view.duration_ms)}.`;
  return `${view.label}, ${view.title}. ${now}${went}`;
}

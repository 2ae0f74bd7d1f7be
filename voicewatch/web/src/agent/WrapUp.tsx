/** After the call: one outcome, and the next one may ring. */
import { useEffect, useState } from 'preact/hooks';
import { request } from '../lib/api';
import type { LiveCall } from '../lib/fold';
import { clock, mood, spaced } from '../lib/format';
import type { QueueState } from '../lib/types';
import * as store from './store';

/** Words for the codes that come with VoiceWatch; a deployment's own are shown as they are. */
const OUTCOMES: Record<string, string> = {
  resolved: 'Resolved',
  follow_up: 'Call back agreed',
  refund: 'Refund sent',
  transferred: 'Passed on',
  no_help: 'Not solved',
  other: 'Something else',
};

export function WrapUp({ call }: { call: LiveCall | undefined }) {
  const [code, setCode] = useState<string | null>(null);
  const codes = useDispositions();
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
          {codes.map((value) => (
            <label key={value} class="opt" data-testid={`wrap-code-${value}`}>
              <input
                type="radio"
                name="outcome"
                checked={code === value}
                onChange={() => setCode(value)}
              />
              {OUTCOMES[value] ?? spaced(value)}
            </label>
          ))}
        </div>
      </fieldset>
      {call && <Judgement call={call} />}
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

function useDispositions(): string[] {
  const [codes, setCodes] = useState(Object.keys(OUTCOMES));
  useEffect(() => {
    request<QueueState>('GET', '/api/queue').then(
      (told) => setCodes(told.dispositions),
      () => undefined, // the usual ones are shown, and the server says if one is not its own
    );
  }, []);
  return codes;
}

const JUDGEMENTS = [
  ['right', 'It was right'],
  ['late', 'Too late'],
  ['unneeded', 'Not needed'],
] as const;

/** One click that teaches: was it right to call a person? */
function Judgement({ call }: { call: LiveCall }) {
  const [said, setSaid] = useState<string | null>(null);
  const handoff = call.view.handoff;
  if (!handoff) return null;
  return (
    <fieldset class="fld">
      <legend class="label">Was it right to call you? One click, optional</legend>
      <div class="opts">
        {JUDGEMENTS.map(([value, words]) => (
          <button
            key={value}
            type="button"
            class="btn"
            data-testid={`judge-${value}`}
            aria-pressed={said === value}
            onClick={async () => {
              if (await store.judge(call.view.call_id, handoff.handoff_id, value)) setSaid(value);
            }}
          >
            {words}
          </button>
        ))}
      </div>
    </fieldset>
  );
}

/** One note from the call to its outcome. */
export function NoteField({ id, rows, label }: { id: string; rows: number; label?: string }) {
  return (
    <textarea
      id={id}
      aria-label={label}
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

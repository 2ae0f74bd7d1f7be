/** What a person says of the system's work on a past call: one click, one fact. */
import { signal } from '@preact/signals';
import { inWords, request } from '../lib/api';
import type { Account, CallView, Label, LabelAbout, Utterance } from '../lib/types';

/** Labels given on this page, beside those the call came with. */
const given = signal<Label[]>([]);
const trouble = signal('');

async function say(account: Account, callId: string, about: LabelAbout, target: string, value: string, text = ''): Promise<void> {
  trouble.value = '';
  try {
    await request('POST', `/api/calls/${callId}/labels`, { about, target, value, text });
    given.value = [...given.value, { by: account.sub, about, target, value, text, note: '' }];
  } catch (error) {
    trouble.value = inWords(error);
  }
}

/** The newest word of this person. */
function mine(account: Account, view: CallView, about: LabelAbout, target: string): Label | undefined {
  return [...view.labels, ...given.value].filter((one) => one.by === account.sub && one.about === about && one.target === target).at(-1);
}

const VERDICTS = [
  ['needed_person', 'A person was needed'],
  ['fine', 'The AI was enough'],
] as const;

export function Verdict({ account, view }: { account: Account; view: CallView }) {
  const said = mine(account, view, 'call', view.call_id)?.value;
  return (
    <section class="sec" data-testid="verdict">
      <h2>Your word on this call</h2>
      <p class="acts">
        {VERDICTS.map(([value, words]) => (
          <button
            key={value}
            type="button"
            class="btn btn--s"
            aria-pressed={said === value}
            data-testid={`verdict-${value}`}
            onClick={() => void say(account, view.call_id, 'call', view.call_id, value)}
          >
            {words}
          </button>
        ))}
      </p>
      <p class="tiny muted">Back-tests and training learn from it. Under each line you can put right what was misheard or misjudged.</p>
      {trouble.value && <p class="is-bad small" role="alert">{trouble.value}</p>}
    </section>
  );
}

const MOODS = ['negative', 'neutral', 'positive'] as const;

export function Corrections({ account, view, utterance }: { account: Account; view: CallView; utterance: Utterance }) {
  const target = utterance.utterance_id;
  const heard = mine(account, view, 'transcript', target);
  const felt = mine(account, view, 'sentiment', target);
  return (
    <details class={heard || felt ? 'byhand is-said' : 'byhand'}>
      <summary class="link tiny">{heard || felt ? 'Put right by you' : 'Not right?'}</summary>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          const text = String(new FormData(event.currentTarget).get('text') ?? '').trim();
          if (text) void say(account, view.call_id, 'transcript', target, '', text);
        }}
      >
        <input class="field" name="text" maxLength={500} defaultValue={heard?.text ?? ''} placeholder="What was really said" aria-label="What was really said" />
        <button type="submit" class="btn btn--s" data-testid="correct-words">Save words</button>
      </form>
      {utterance.role === 'customer' && (
        <p class="acts">
          <span class="small muted">Mood:</span>
          {MOODS.map((value) => (
            <button key={value} type="button" class="link" aria-pressed={felt?.value === value} onClick={() => void say(account, view.call_id, 'sentiment', target, value)}>
              {felt?.value === value ? <b>{value}</b> : value}
            </button>
          ))}
        </p>
      )}
    </details>
  );
}

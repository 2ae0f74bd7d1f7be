/** The call that is open: what it is about, how it runs, what was said, and a line to its AI. */
import { signal } from '@preact/signals';
import { useRef } from 'preact/hooks';
import { inWords, request } from '../lib/api';
import { clock, spaced } from '../lib/format';
import type { LiveCall } from '../lib/fold';
import { CallHead } from '../components/CallHead';
import { Chart } from '../components/Chart';
import { Icon } from '../components/icons';
import { Lines, showEvidence } from '../components/Lines';
import { VoiceChip } from '../components/marks';
import { languageOf } from '../components/say';
import * as store from './store';

export function Call() {
  const call = store.current.value;
  return (
    <section class="pane talk" aria-label="Call">
      {call ? <Open key={call.view.call_id} call={call} /> : <p class="empty muted">Nothing to show until a call begins.</p>}
    </section>
  );
}

function Open({ call }: { call: LiveCall }) {
  const { view, utterances } = call;
  const mine = store.mySeat(call);
  return (
    <>
      <Header call={call} />
      <Chart view={view} utterances={utterances} at_ms={store.elapsed(call)} onPick={showEvidence} />
      <Lines view={view} utterances={utterances} interims={[...call.interims.values()]} mine={mine} follows />
      <Nudge call={call} />
    </>
  );
}

function Header({ call }: { call: LiveCall }) {
  const { view, utterances } = call;
  const tier = view.attributes.tier;
  const isMine = view.voice === 'supervisor' && store.mySeat(call) !== undefined;
  return (
    <CallHead view={view} why={view.headline && <p class="call-h__why" data-testid="detail-headline">{view.headline}</p>}>
      <VoiceChip view={view} isMine={isMine} />
      <b class="num">{clock(store.elapsed(call))}</b>
      {languageOf(view, utterances) && <span>{languageOf(view, utterances)}</span>}
      {tier && <span>{spaced(tier)} customer</span>}
      {view.customer_name && !view.customer_name.startsWith('[') && <span>{view.customer_name}</span>}
      <Engine call={call} />
      {view.state !== 'live' && <a href={`/calls/${view.call_id}`}>Read the whole call</a>}
    </CallHead>
  );
}

/** What wrote the transcript, and what must be known of it. */
function Engine({ call }: { call: LiveCall }) {
  const { engines } = store.feed.system.value ?? { engines: {} };
  const name = call.view.engine || (engines as Record<string, string>).asr;
  const isLow = call.utterances.some((one) => one.low_fidelity) || name?.includes('low fidelity');
  if (!name) return null;
  return (
    <>
      <span class="muted">{`words by ${name.replace(/ ?\(low fidelity\)/, '')}`}</span>
      {isLow && <span class="chip chip--unc" title="This recogniser is simple: read its words as a hint, not as a record">low fidelity</span>}
    </>
  );
}

const said = signal<{ callId: string; text: string; failed: boolean } | null>(null);

function Nudge({ call }: { call: LiveCall }) {
  const box = useRef<HTMLInputElement>(null);
  const { view } = call;
  const hasAI = view.seats.some((seat) => seat.role === 'ai');
  const rests = !store.isLive.value || view.state !== 'live' || !hasAI;
  const send = async (): Promise<void> => {
    const text = box.current?.value.trim();
    if (!text || rests) return;
    try {
      await request('POST', `/api/calls/${view.call_id}/nudge`, { text });
      if (box.current) box.current.value = '';
      said.value = { callId: view.call_id, text: `The AI was told: “${text}”`, failed: false };
    } catch (error) {
      said.value = { callId: view.call_id, text: `The AI was not told. ${inWords(error)}`, failed: true };
    }
  };
  return (
    <form
      class="composer"
      onSubmit={(event) => {
        event.preventDefault();
        void send();
      }}
    >
      <label class="composer__field">
        <span class="vh">Write to the AI; only it reads this</span>
        <input
          ref={box}
          id="nudge"
          class="field"
          data-testid="nudge-text"
          maxLength={500}
          disabled={rests}
          placeholder={hasAI ? 'Tell the AI something; only it reads this' : 'There is no AI in this call'}
        />
        {said.value?.callId === view.call_id && (
          <span class={`small ${said.value.failed ? 'is-bad' : 'muted'}`} role="status">{said.value.text}</span>
        )}
      </label>
      <button type="submit" class="btn" data-testid="nudge-send" disabled={rests}>
        <Icon name="send" />
        Nudge
        <kbd>N</kbd>
      </button>
    </form>
  );
}

/** The one card of the customer's page. */
import type { ComponentChildren } from 'preact';
import { Icon } from '../components/icons';
import { Level } from '../components/Level';
import { RoleGlyph } from '../components/marks';
import { clock } from '../lib/format';
import { now_ms } from '../lib/now';
import { NOT_ALLOWED } from '../lib/phone';
import * as store from './store';

export function Card() {
  const stage = store.stage.value;
  return (
    <main class="cust">
      <section class={`card cust__card cust__card--${stage}`} data-testid="call-state" data-state={stage}>
        {stage === 'idle' && <Idle />}
        {stage === 'connecting' && <Connecting />}
        {(stage === 'in-call' || stage === 'weak') && <InCall isWeak={stage === 'weak'} />}
        {stage === 'refused' && <Refused />}
        {stage === 'ended' && <Ended />}
      </section>
    </main>
  );
}

function Idle() {
  if (store.account.value === undefined) return <p class="muted">One moment</p>;
  if (store.account.value === null) return <NoLink />;
  return (
    <>
      <h1>Talk to us</h1>
      <p class="soft">Right here in the browser, free, usually answered at once.</p>
      <div class="said cust__note">
        <RoleGlyph role="ai" />
        <p>
          <b>An AI assistant answers first.</b> It is software. Say “a person, please” at any time and one joins the
          same call. The call is transcribed.
        </p>
      </div>
      <Consent />
      <div class="spacer" />
      <Main onPress={() => void store.call()} icon>
        Call now
      </Main>
      <p class="small muted cust__under">Your browser will ask for the microphone.</p>
    </>
  );
}

function Consent() {
  return (
    <label class="cust__consent">
      <input
        type="checkbox"
        data-testid="consent-recording"
        checked={store.consent.value}
        onChange={(event) => {
          store.consent.value = event.currentTarget.checked;
        }}
      />
      <span>You may record the sound of this call to improve the service. Without it you are served the same.</span>
    </label>
  );
}

function NoLink() {
  return (
    <>
      <h1>This page opens with a link</h1>
      <p class="soft">Calls are placed from a personal link, which works once. Ask for a new one where you got this one.</p>
    </>
  );
}

function Connecting() {
  const isAsking = store.phone.state.value === 'asking';
  return (
    <>
      <div class="spacer" />
      <svg class="cust__rings" viewBox="0 0 96 96" aria-hidden="true">
        <circle cx="48" cy="48" r="20" class="ring-0" />
        <circle cx="48" cy="48" r="32" class="ring-1" />
        <circle cx="48" cy="48" r="44" class="ring-2" />
      </svg>
      <h1 class="cust__centre">{isAsking ? 'Your microphone, please' : 'Connecting'}</h1>
      <p class="soft cust__centre" role="status">
        {isAsking ? 'Allow it in the question of your browser.' : 'Finding the best way through your network.'}
      </p>
      <div class="spacer" />
      <button type="button" class="btn btn--l" onClick={() => void store.hangUp()}>
        Cancel
      </button>
    </>
  );
}

function InCall({ isWeak }: { isWeak: boolean }) {
  const { phone } = store;
  const isMuted = phone.muted.value;
  return (
    <>
      <h1 class="vh">Your call</h1>
      <Speaker />
      <div class="cust__stage">
        <p class="cust__line small" role="status">
          <LineBars isWeak={isWeak} />
          {isWeak ? 'Weak line. It is being connected again by itself; stay on.' : 'Good line'}
        </p>
        <p class="cap" role="status">{store.onHold.value ? ON_HOLD : HINTS[store.voice.value]}</p>
      </div>
      <p class="cust__mic small soft">
        <Icon name={isMuted ? 'muted' : 'microphone'} size="s" />
        {heard(isMuted, isWeak)}
        <span class="spacer" />
        <Level level={phone.level.value} />
      </p>
      {store.disclosure.value && <p class="tiny muted">{store.disclosure.value}</p>}
      <div class="cust__keys">
        <button
          type="button"
          class="round"
          data-testid="call-mute"
          aria-pressed={isMuted}
          onClick={() => phone.mute(!isMuted)}
        >
          <span>
            <Icon name={isMuted ? 'muted' : 'microphone'} size="l" />
          </span>
          {isMuted ? 'Unmute' : 'Mute'}
        </button>
        <button type="button" class="round round--end" data-testid="call-end" onClick={() => void store.hangUp()}>
          <span>
            <Icon name="end" size="l" />
          </span>
          End call
        </button>
      </div>
    </>
  );
}

function heard(isMuted: boolean, isWeak: boolean): string {
  if (store.onHold.value) return 'Nobody hears you while you are on hold';
  if (isMuted) return 'Nobody hears you: muted';
  return isWeak ? 'You may not be heard now' : 'You are heard';
}

const ON_HOLD = 'You are on hold. The person comes back to you; nothing you say meanwhile is kept.';

const HINTS = {
  ai: 'Speak as you would to a person. Say “a person, please” at any time.',
  agent: 'A person is with you now. What you said before is known to them.',
  supervisor: 'A person is with you now. What you said before is known to them.',
  nobody: 'You are in the right place. Somebody is about to answer.',
} as const;

/** Who speaks with the customer: an AI or a person, never left open. */
function Speaker() {
  const voice = store.voice.value;
  const isPerson = voice === 'agent' || voice === 'supervisor';
  return (
    <header class="cust__who" data-testid="call-voice" data-voice={voice} aria-live="polite">
      <RoleGlyph role={voice === 'nobody' ? 'customer' : voice} large />
      <div>
        {isPerson && <b>{store.voiceName.value ? `${store.voiceName.value}, a person` : 'A person'}</b>}
        {voice === 'ai' && <b>AI assistant</b>}
        {voice === 'nobody' && <b>One moment</b>}
        <div class="small soft">{SUBTITLES[voice]}</div>
      </div>
      <span class="spacer" />
      <Duration />
    </header>
  );
}

const SUBTITLES = {
  ai: 'software, not a person',
  agent: 'the assistant is silent',
  supervisor: 'the assistant is silent',
  nobody: 'nobody has answered yet',
} as const;

function Duration() {
  const began = store.began_ms.value;
  return <b class="num">{clock(began === null ? 0 : (store.ended_ms.value ?? now_ms.value) - began)}</b>;
}

function LineBars({ isWeak }: { isWeak: boolean }) {
  return (
    <svg width="18" height="14" viewBox="0 0 18 14" aria-hidden="true" class={isWeak ? 'bars bars--weak' : 'bars'}>
      <rect x="0" y="9" width="4" height="5" />
      <rect x="6" y="5" width="4" height="9" />
      <rect x="12" y="0" width="4" height="14" />
    </svg>
  );
}

function Refused() {
  return (
    <>
      <span class="av av--crit av--large">
        <Icon name="muted" size="l" />
      </span>
      <h1>We cannot hear you yet</h1>
      <p class="soft">{store.phone.problem.value} No call was started.</p>
      {store.phone.problem.value === NOT_ALLOWED && (
        <ol class="steps">
          <li>Press the microphone or lock sign beside the address.</li>
          <li>Set Microphone to Allow.</li>
          <li>Come back and try again.</li>
        </ol>
      )}
      <div class="spacer" />
      <Main onPress={() => void store.call()}>Try again</Main>
    </>
  );
}

function Ended() {
  const problem = store.trouble.value || (store.phone.state.value === 'failed' ? store.phone.problem.value : '');
  const hadCall = store.began_ms.value !== null;
  return (
    <>
      <div class="spacer" />
      <h1>{hadCall ? 'The call has ended' : 'No call was started'}</h1>
      <p class="soft" role="status">
        {problem || (hadCall ? 'Your microphone is closed.' : 'Nothing was said and nothing is kept.')}
      </p>
      {hadCall && (
        <p class="soft">
          It took <Duration />.
        </p>
      )}
      <div class="spacer" />
      {store.account.value && (
        <Main onPress={() => void store.call()} icon>
          Call again
        </Main>
      )}
    </>
  );
}

function Main({ onPress, icon = false, children }: { onPress: () => void; icon?: boolean; children: ComponentChildren }) {
  return (
    <button type="button" class="btn btn--main btn--l cust__main" data-testid="call-start" onClick={onPress}>
      {icon && <Icon name="phone" />}
      {children}
    </button>
  );
}

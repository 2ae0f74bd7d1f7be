/** The softphone: the agent on the left, what happens in the middle, help for the call on the right. */
import type { ComponentChildren } from 'preact';
import { BriefingCard, LastTurns } from '../components/BriefingCard';
import { Icon } from '../components/icons';
import { KeysAct } from '../components/KeysAct';
import { Level } from '../components/Level';
import { Presence } from '../components/Presence';
import { Banner, Notice, Top } from '../components/shell';
import { clock, timeOfDay } from '../lib/format';
import { now_ms } from '../lib/now';
import type { PresenceState } from '../lib/types';
import type { Stage } from './stage';
import { Offer } from './Offer';
import { OnCall } from './OnCall';
import * as store from './store';
import { Waiting } from './Waiting';
import { NoteField, WrapUp } from './WrapUp';

export function Softphone() {
  const { value: account } = store.account;
  if (account === undefined) return null;
  if (account?.role !== 'agent') return <NotAnAgent />;
  const stage = store.stage.value;
  return (
    <div class="phone" data-testid="agent-state" data-state={stage.name}>
      <Top account={account}>
        <Connection />
      </Top>
      <Troubles />
      <You stage={stage} />
      <main class="pane stage">
        <Middle stage={stage} />
      </main>
      <Aid stage={stage} />
    </div>
  );
}

function NotAnAgent() {
  return (
    <>
      <Top account={store.account.value ?? null} />
      <Notice title="This phone is for agents">
        {store.failure.value || 'Open it with a link made for an agent; a link works once.'}
      </Notice>
    </>
  );
}

function Connection() {
  const { status, lastEventAt } = store.feed;
  return (
    <div class="health" role="status">
      {status.value === 'live' ? (
        <span class="ok">
          <i class="dot" />
          <b>Connected</b>
        </span>
      ) : (
        <span class="bad">
          <i class="dot" />
          <b>{status.value === 'lost' ? 'Not connected' : 'Connecting'}</b>
          {lastEventAt.value > 0 && <span class="hide-s">since {timeOfDay(lastEventAt.value)}</span>}
        </span>
      )}
    </div>
  );
}

function Troubles() {
  const { feed, failure, phone } = store;
  return (
    <div class="phone__notes">
      {feed.status.value === 'lost' && (
        <Banner kind="warn">
          <b>{feed.refused.value ? 'Signed out.' : 'Not connected.'}</b>{' '}
          {feed.refused.value
            ? 'Open a new link to go on.'
            : 'Calls ring again as soon as the server answers. A call you are in goes on.'}
        </Banner>
      )}
      {failure.value && <Banner kind="bad">{failure.value}</Banner>}
      {store.stage.value.name === 'connecting' && (phone.state.value === 'refused' || phone.state.value === 'failed') && (
        <Banner kind="bad">
          {phone.problem.value} The AI still has the call.{' '}
          <button type="button" class="btn btn--s" onClick={() => void store.reconnect()}>
            Try again
          </button>
        </Banner>
      )}
    </div>
  );
}

// ---------------------------------------------------------------- the middle

function Middle({ stage }: { stage: Stage }) {
  switch (stage.name) {
    case 'away':
      return <Away />;
    case 'available':
      return <Available />;
    case 'ringing':
      return (
        <div class="centre centre--wide">
          <Offer call={stage.call} offer={stage.offer} />
        </div>
      );
    case 'connecting':
      return <OnCall call={stage.call} seat={undefined} />;
    case 'on-call':
      return <OnCall call={stage.call} seat={stage.seat} />;
    case 'wrap-up':
      return (
        <div class="centre centre--wide">
          <WrapUp call={stage.call} />
        </div>
      );
  }
}

function Away() {
  const trouble = store.microphoneTrouble.value;
  return (
    <div class="centre centre--text">
      <Sign isReady={false} />
      <h1 class="big">You are away. Nothing rings.</h1>
      {trouble ? (
        <div class="said refused" role="alert">
          <p>
            <b>You cannot be available without a microphone.</b> {trouble}
          </p>
          <p>Press the microphone or lock sign beside the address, set Microphone to Allow, then try again.</p>
        </div>
      ) : (
        <p class="soft lead">Your browser asks for the microphone now, so that you are heard the moment you accept.</p>
      )}
      <p>
        <button
          type="button"
          class="btn btn--main btn--l"
          data-testid="presence-available"
          onClick={() => void store.becomeAvailable()}
        >
          {trouble ? 'Try again' : 'Become available'}
        </button>
      </p>
    </div>
  );
}

function Available() {
  return (
    <div class="centre centre--text">
      <Sign isReady />
      <h1 class="big">Ready. The next call rings here.</h1>
      <p class="soft lead">
        You read what it is about before you accept. Your microphone stays closed until you do.
      </p>
      <p>
        <button type="button" class="btn" onClick={hearRing}>
          <Icon name="play" />
          Hear the ring
        </button>
      </p>
    </div>
  );
}

function hearRing(): void {
  store.ring.prepare();
  store.ring.once();
}

function Sign({ isReady }: { isReady: boolean }) {
  return (
    <svg class={isReady ? 'sign sign--ready' : 'sign'} viewBox="0 0 104 104" aria-hidden="true">
      <circle cx="52" cy="52" r="46" />
      <path d={isReady ? 'm34 53 12 12 24-26' : 'M42 36v32M62 36v32'} />
    </svg>
  );
}

// ---------------------------------------------------------------- the sides

const STATES: Record<Stage['name'], string> = {
  away: 'Away',
  available: 'Available',
  ringing: 'Ringing',
  connecting: 'Connecting',
  'on-call': 'On call',
  'wrap-up': 'Wrap-up',
};

const PRESENCE: Record<Stage['name'], PresenceState> = {
  away: 'away',
  available: 'available',
  ringing: 'ringing',
  connecting: 'on_call',
  'on-call': 'on_call',
  'wrap-up': 'wrap_up',
};

function You({ stage }: { stage: Stage }) {
  return (
    <aside class="pane me-col" aria-label="You">
      <section class="sec">
        <h2>You are</h2>
        <p class="you">
          <Presence state={PRESENCE[stage.name]} />
          <b>{STATES[stage.name]}</b>
          <span class="spacer" />
          <Since />
        </p>
        {stage.name === 'available' && (
          <button type="button" class="btn btn--s" data-testid="presence-away" onClick={() => void store.goAway()}>
            Go away
          </button>
        )}
      </section>
      <Microphone stage={stage} />
      <Keyboard />
    </aside>
  );
}

function Since() {
  return <b class="num">{clock(now_ms.value - store.since_ms.value)}</b>;
}

function Microphone({ stage }: { stage: Stage }) {
  const { level, muted } = store.phone;
  const isOpen = stage.name === 'on-call' && !muted.value;
  return (
    <section class="sec">
      <h2>
        Microphone <span class="spacer" />
        <span class="tiny muted">echo and noise removed</span>
      </h2>
      <div class="kv">
        <span class="mic">
          <Icon name={isOpen ? 'microphone' : muted.value ? 'muted' : 'lock'} size="s" />
          <b>{isOpen ? 'Open' : muted.value ? 'Muted' : 'Closed'}</b>
        </span>
        <Level level={isOpen ? level.value : 0} />
      </div>
      {!isOpen && stage.name !== 'on-call' && <p class="tiny soft">It opens when you accept a call.</p>}
    </section>
  );
}

function Keyboard() {
  return (
    <section class="sec keyhelp">
      <h2>Keys</h2>
      <p>
        <kbd>Space</kbd> accept <kbd>Esc</kbd> decline
      </p>
      <p>
        <kbd>M</kbd> mute <kbd>H</kbd> hold <kbd>K</kbd> keypad
      </p>
      <p>
        <kbd>B</kbd> hand back <kbd>E</kbd> end
      </p>
      <KeysAct />
    </section>
  );
}

function Aid({ stage }: { stage: Stage }) {
  return (
    <aside class="pane aid" aria-label="Help for this call">
      {stage.name === 'ringing' && stage.call.view.briefing && (
        <>
          <Section title="The last turns">
            <LastTurns briefing={stage.call.view.briefing} />
          </Section>
          <Opening text={stage.call.view.briefing.opening} />
        </>
      )}
      {(stage.name === 'connecting' || stage.name === 'on-call') && <Beside />}
      {(stage.name === 'away' || stage.name === 'available' || stage.name === 'wrap-up') && <Waiting />}
      {(stage.name === 'away' || stage.name === 'available') && (
        <Section title="How it works">
          <p class="soft">
            When a caller needs a person, the call rings here with a briefing. You join the same call; when you are
            done, hand it back to the AI or end it.
          </p>
        </Section>
      )}
    </aside>
  );
}

const CALL_NOTE = 'Note, goes with the hand-back and the outcome';

function Beside() {
  const briefing = store.briefing.value;
  return (
    <>
      {briefing && <Opening text={briefing.opening} />}
      {briefing && (
        <Section title="Briefing">
          <BriefingCard briefing={briefing} />
        </Section>
      )}
      <Section title={CALL_NOTE}>
        <NoteField id="call-note" rows={3} label={CALL_NOTE} />
      </Section>
    </>
  );
}

function Opening({ text }: { text: string }) {
  if (!text) return null;
  return (
    <Section title="A way to begin">
      <p class="said">“{text}”</p>
    </Section>
  );
}

function Section({ title, children }: { title: string; children: ComponentChildren }) {
  return (
    <section class="sec">
      <h2>{title}</h2>
      {children}
    </section>
  );
}

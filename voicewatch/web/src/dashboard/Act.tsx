/** What a supervisor can do about the open call, and what there is to know before doing it. */
import { signal } from '@preact/signals';
import { inWords, request } from '../lib/api';
import { clock } from '../lib/format';
import type { LiveCall } from '../lib/fold';
import type { Alert, CallView, Seat } from '../lib/types';
import { hearsSentence } from '../lib/words';
import { Brief } from '../components/Brief';
import { Icon } from '../components/icons';
import { Ladder } from './Ladder';
import { showEvidence } from '../components/Lines';
import { SeverityMark } from '../components/marks';
import { Picture } from './Picture';
import { rungs } from './rungs';
import { offerSays } from '../components/say';
import * as store from './store';

export function Act() {
  const call = store.current.value;
  return <aside class="pane side" aria-label="Act">{call && <Acts key={call.view.call_id} call={call} />}</aside>;
}

function Acts({ call }: { call: LiveCall }) {
  const { view } = call;
  const mine = store.mySeat(call);
  const { supervision, isLive } = store;
  const attempt = supervision.attempt.value;
  return (
    <>
      <Hearing call={call} mine={mine} />
      <Ladder
        rungs={rungs(view, store.lineSeat(call), attempt, isLive.value ? '' : 'not live')}
        onTake={(name) => void supervision.take(view.call_id, name)}
      />
      {attempt?.failed != null && attempt.callId === view.call_id && (
        <p class="sec is-bad" role="alert">
          {attempt.failed}{' '}
          <button type="button" class="link" onClick={() => supervision.dismissFailure()}>Close</button>
        </p>
      )}
      {mine && <Line call={call} mine={mine} />}
      {view.state === 'live' && <Recording view={view} />}
      {view.state === 'live' && <Offer view={view} mine={mine} at_ms={store.elapsed(call)} />}
      <Alerts view={view} />
      {view.briefing && <Brief briefing={view.briefing} />}
    </>
  );
}

function Hearing({ call, mine }: { call: LiveCall; mine: Seat | undefined }) {
  const { view } = call;
  const says = !store.isLive.value
    ? 'Not known: this page is not live.'
    : view.state !== 'live'
      ? 'The call is over. Nobody hears anybody.'
      : hearsSentence(view, mine?.seat_id ?? null);
  return (
    <section class="hear">
      <h2 class="label">Who hears whom now</h2>
      <p class="hear__say" data-testid="hears-sentence" aria-live="polite">{says}</p>
      {store.isLive.value && view.state === 'live' && <Picture view={view} mine={mine} voiced={call.levels?.voiced ?? []} />}
    </section>
  );
}

const LINE = {
  idle: 'Your line is closed',
  asking: 'Asking for your microphone',
  connecting: 'Opening your line',
  connected: '',
  weak: 'Your line is weak',
  ended: 'Your line is closed',
  refused: 'Your microphone is refused',
  failed: 'Your line failed',
} as const;

/** One's own line: what the microphone does, how to leave. */
function Line({ call, mine }: { call: LiveCall; mine: Seat }) {
  const { supervision } = store;
  const { phone } = supervision;
  const isHere = supervision.callId.value === call.view.call_id;
  const speaks = mine.mode !== null && mine.mode !== 'monitor';
  const isMuted = phone.muted.value;
  const state = isHere ? LINE[phone.state.value] : 'Your seat is kept. Press a mode to open your line here';
  const open = speaks ? (isMuted ? 'Muted: nobody hears you' : 'Your microphone is open') : 'Your microphone is closed';
  const steps = speaks && !isMuted && isHere ? Math.round(phone.level.value * 12) : 0;
  return (
    <section class="sec">
      <h2>Your line</h2>
      <div class="myline">
        <span class="lvl" aria-hidden="true">
          {Array.from({ length: 12 }, (_, place) => <i key={place} class={place < steps ? 'on' : ''} />)}
        </span>
        <b>{state || open}</b>
      </div>
      {isHere && phone.problem.value && <p class="is-bad small" role="alert">{phone.problem.value}</p>}
      <div class="myline">
        <button type="button" class="btn btn--s" disabled={!speaks || !isHere} aria-pressed={isMuted} onClick={() => phone.mute(!isMuted)}>
          <Icon name="microphone" size="s" />
          {isMuted ? 'Open' : 'Mute'}
          <kbd>M</kbd>
        </button>
        <button type="button" class="btn btn--s" data-testid="leave" onClick={() => void supervision.leave(call.view.call_id)}>
          <Icon name="leave" size="s" />
          Leave
          <kbd>0</kbd>
        </button>
      </div>
    </section>
  );
}

const failure = signal<{ callId: string; text: string } | null>(null);

/** Asks the server; what it refuses is shown beside the list it was asked in. */
async function ask(callId: string, path: string, body: unknown): Promise<boolean> {
  failure.value = null;
  try {
    await request('POST', `/api/calls/${callId}/${path}`, body);
    return true;
  } catch (error) {
    failure.value = { callId, text: inWords(error) };
    return false;
  }
}

/** Recording, paused for what must not be kept, such as a card's number. */
function Recording({ view }: { view: CallView }) {
  if (view.recording === 'off') return null;
  const isPaused = view.recording === 'paused';
  return (
    <section class="sec">
      <h2>Recording</h2>
      <div class="myline">
        <b>{isPaused ? 'Paused: nothing is kept of the sound' : 'The call is recorded'}</b>
        <button
          type="button"
          class="btn btn--s"
          data-testid="record"
          aria-pressed={isPaused}
          disabled={!store.isLive.value}
          onClick={() => void ask(view.call_id, 'recording', { state: isPaused ? 'recording' : 'paused' })}
        >
          <Icon name={isPaused ? 'record' : 'pause'} size="s" />
          {isPaused ? 'Record again' : 'Pause'}
        </button>
      </div>
    </section>
  );
}

/** Where an escalation waits that nobody has answered, and what a supervisor can do about it. */
function Queue({ view }: { view: CallView }) {
  const { queue, callback } = view;
  if (callback) {
    const about = [callback.number || 'the number they called from', callback.when].filter(Boolean).join(', ');
    return <p class="small">{`To be called back: ${about}.`}</p>;
  }
  if (!queue) return null;
  const wait = queue.expected_wait_s === null ? '' : `about ${Math.max(1, Math.round(queue.expected_wait_s / 60))} min`;
  const opens = queue.opens_at ? `opens ${new Date(queue.opens_at).toLocaleString('en-GB', { weekday: 'short', hour: '2-digit', minute: '2-digit' })}` : '';
  const place = queue.position === null ? '' : `place ${queue.position}`;
  const says = [queue.name && `Queue ${queue.name}`, queue.why === 'closed' ? 'closed' : '', place, wait, opens].filter(Boolean).join(', ');
  return (
    <>
      {says && <p class="small soft" data-testid="queue">{says}</p>}
      <p class="acts">
        <button type="button" class="link" data-testid="release" onClick={() => void ask(view.call_id, 'release', {})}>
          Nobody is needed
        </button>
        <button type="button" class="link" data-testid="callback-agreed" onClick={() => void ask(view.call_id, 'callback', {})}>
          Will be called back
        </button>
      </p>
    </>
  );
}

function Offer({ view, mine, at_ms }: { view: CallView; mine: Seat | undefined; at_ms: number }) {
  const free = store.feed.agents.value.filter((agent) => agent.state === 'available');
  const hasPerson = view.voice === 'agent' || view.voice === 'supervisor';
  const past = view.offers.filter((offer) => offer.state !== 'pending').slice(-2);
  const hasIt = mine && view.voice === 'supervisor' ? 'You have the call.' : `${view.voice_name || 'A person'} has the call.`;
  const says = offerSays(view, at_ms, store.isLive.value) || (hasPerson ? hasIt : 'No person was asked for.');
  const escalate = async (form: HTMLFormElement): Promise<void> => {
    const given = new FormData(form);
    const agent = String(given.get('agent') ?? '');
    const done = await ask(view.call_id, 'escalate', { reason: String(given.get('reason') ?? ''), ...(agent ? { agent_id: agent } : {}) });
    if (done) form.reset();
  };
  return (
    <section class="sec">
      <h2>Person</h2>
      <p class="num"><b>{says}</b></p>
      {past.map((offer) => <p key={offer.offer_id} class="small soft">{`${offer.agent_name || 'An agent'} ${ANSWERED[offer.state]}`}</p>)}
      <Queue view={view} />
      {!hasPerson && (
        <details class="byhand">
          <summary class="link">{view.escalation ? 'Ask somebody else…' : 'Ask for a person…'}</summary>
          <form
            onSubmit={(event) => {
              event.preventDefault();
              void escalate(event.currentTarget);
            }}
          >
            <input class="field" name="reason" maxLength={200} placeholder="Why, in a few words" aria-label="Why" />
            <select class="field" name="agent" aria-label="Whom to ask">
              <option value="">Whoever is free</option>
              {free.map((agent) => <option key={agent.agent_id} value={agent.agent_id}>{agent.name}</option>)}
            </select>
            <button type="submit" class="btn btn--s" data-testid="escalate" disabled={!store.isLive.value}>Ask</button>
          </form>
        </details>
      )}
      {failure.value?.callId === view.call_id && <p class="is-bad small" role="alert">{failure.value.text}</p>}
    </section>
  );
}

/** One click: this alert was right. The other answer is to dismiss it. */
function Right({ alert, view }: { alert: Alert; view: CallView }) {
  const isSaid = view.labels.some((one) => one.about === 'alert' && one.target === alert.alert_id && one.value === 'right');
  if (isSaid) return <span class="muted">marked right</span>;
  return (
    <button
      type="button"
      class="link"
      data-testid="alert-right"
      onClick={() => void ask(view.call_id, 'labels', { about: 'alert', target: alert.alert_id, value: 'right' })}
    >
      It is right
    </button>
  );
}

const ANSWERED: Record<string, string> = {
  accepted: 'accepted',
  rejected: 'declined',
  timeout: 'did not answer',
  canceled: 'was not needed any more',
  rescinded: 'was too late, or away',
  wrapping: 'had the call, and writes it up',
  completed: 'had the call',
};

const SEVERITIES = ['critical', 'high', 'watch', 'calm'] as const;

function Alerts({ view }: { view: CallView }) {
  const open = view.alerts.filter((alert) => alert.state === 'open').length;
  const newest = [...view.alerts].sort(
    (a, b) =>
      Number(b.state === 'open') - Number(a.state === 'open') ||
      SEVERITIES.indexOf(a.severity) - SEVERITIES.indexOf(b.severity) ||
      b.at_ms - a.at_ms,
  );
  return (
    <section class="sec" aria-label="Alerts">
      <h2>
        Alerts
        <span class="spacer" />
        <span class="num">{view.state === 'live' ? `${open} open` : newest.length}</span>
      </h2>
      {newest.length === 0 && <p class="muted">Nothing stood out so far.</p>}
      {newest.map((alert) => <OneAlert key={alert.alert_id} alert={alert} view={view} />)}
    </section>
  );
}

function OneAlert({ alert, view }: { alert: Alert; view: CallView }) {
  const isOpen = alert.state === 'open';
  return (
    <article class={isOpen ? 'alert' : 'alert alert--s'} data-testid="alert" data-severity={alert.severity} data-state={alert.state}>
      <SeverityMark severity={alert.severity} />
      <b class={isOpen ? '' : 'soft'}>{alert.headline}{isOpen ? '' : alert.state === 'cleared' ? ', settled' : ', dismissed'}</b>
      <time>{clock(alert.at_ms)}</time>
      {isOpen && (
        <div class="acts">
          <button
            type="button"
            class="link"
            onClick={() => {
              store.tab.value = 'call';
              requestAnimationFrame(() => showEvidence(alert.alert_id));
            }}
          >
            Jump to words
          </button>
          <Right alert={alert} view={view} />
          {view.state === 'live' && (
            <details class="byhand">
              <summary class="link">Dismiss…</summary>
              <form
                onSubmit={(event) => {
                  event.preventDefault();
                  const reason = String(new FormData(event.currentTarget).get('reason') ?? '');
                  void ask(view.call_id, `alerts/${alert.alert_id}/dismiss`, { reason });
                }}
              >
                <input class="field" name="reason" required maxLength={200} placeholder="Why it is not so" aria-label="Why it is not so" />
                <button type="submit" class="btn btn--s" disabled={!store.isLive.value}>Dismiss</button>
              </form>
            </details>
          )}
        </div>
      )}
    </article>
  );
}

/** One call, read only: everything that was said, judged and done, in order. */
import '../styles/ui.css';
import '../dashboard/dashboard.css';
import './replay.css';
import { Top } from '../components/shell';
import { request } from '../lib/api';
import { clock, count, spaced } from '../lib/format';
import type { Account, Alert, CallView, FactEvent, Role } from '../lib/types';
import { CallHead } from '../components/CallHead';
import { enter } from '../components/enter';
import { Brief } from '../components/Brief';
import { Chart } from '../components/Chart';
import { Lines, showEvidence } from '../components/Lines';
import { SeverityMark, VoiceChip } from '../components/marks';
import { NAV } from '../components/nav';
import { SPEAKER } from '../components/say';
import { history, staffIn } from './history';
import { Corrections, Verdict } from './Judge';

interface Recording {
  seat_id: string;
  role: Role;
  path: string;
  start_ms: number;
  duration_ms: number;
}

/** What may be heard; nothing of a call whose recordings are not for this person. */
interface Sound {
  recordings: Recording[];
  mix: { path: string; right: Role[]; duration_ms: number | null } | null;
}

interface Whole {
  account: Account;
  view: CallView;
  facts: FactEvent[];
  sound: Sound;
}

function Replay({ account, view, facts, sound }: Whole) {
  const utterances = view.utterances ?? [];
  return (
    <div class="reread">
      <Top account={account} nav={NAV} />
      <main class="parts">
        <CallHead view={view}>
          <VoiceChip view={view} isMine={false} />
          <b class="num">{clock(view.duration_ms)}</b>
          {view.started_at && <time dateTime={view.started_at}>{new Date(view.started_at).toLocaleString('en-GB')}</time>}
          {view.disposition && <span>Outcome: {spaced(view.disposition.code).toLowerCase()}</span>}
          {view.engine && <span class="muted">words by {view.engine}</span>}
          {view.state === 'live' && <a href="/dashboard">Still going on: see it live</a>}
        </CallHead>
        <Chart view={view} utterances={utterances} at_ms={view.duration_ms} onPick={showEvidence} />
        <section class="pane talk" aria-label="Transcript">
          <Lines
            view={view}
            utterances={utterances}
            notes={history(facts)}
            names={staffIn(facts)}
            beneath={(utterance) => <Corrections account={account} view={view} utterance={utterance} />}
          />
        </section>
        <aside class="pane side" aria-label="About this call">
          <Verdict account={account} view={view} />
          <Alerts alerts={view.alerts} />
          {view.briefing && <Brief briefing={view.briefing} />}
          <Recordings view={view} sound={sound} />
        </aside>
      </main>
    </div>
  );
}

function Alerts({ alerts }: { alerts: Alert[] }) {
  return (
    <section class="sec">
      <h2>
        Alerts <span class="spacer" />
        <span class="num">{alerts.length}</span>
      </h2>
      {alerts.length === 0 && <p class="muted">Nothing stood out.</p>}
      {alerts.map((alert) => (
        <article key={alert.alert_id} class="alert" data-testid="alert" data-severity={alert.severity}>
          <SeverityMark severity={alert.severity} />
          <b>{alert.headline}</b>
          <time>{clock(alert.at_ms)}</time>
          <div class="acts">
            <button type="button" class="link" onClick={() => showEvidence(alert.alert_id)}>Jump to words</button>
            {alert.state !== 'open' && <span class="muted">{alert.state === 'cleared' ? 'settled' : 'dismissed'}</span>}
          </div>
        </article>
      ))}
    </section>
  );
}

function Recordings({ view, sound: { recordings, mix } }: { view: CallView; sound: Sound }) {
  const none = view.state === 'live' ? 'Listed here when the call is over.' : 'Nothing was recorded.';
  const says = view.recordings === 0 || mix ? none : `${count(view.recordings, 'recording')}, which you may not hear.`;
  const isRecorded = recordings.length > 0 || (view.state === 'live' && view.recording !== 'off');
  return (
    <section class="sec">
      <h2>Recordings</h2>
      {recordings.length === 0 && <p class="muted">{says}</p>}
      {mix && isRecorded && (
        <figure class="recording" data-testid="mix">
          <figcaption>
            {view.state === 'live' ? 'The call so far' : 'The whole call'}: customer left, {heard(mix.right)} right
          </figcaption>
          <audio controls preload="none" src={`/api/calls/${view.call_id}/recordings/${mix.path}?format=wav`} />
        </figure>
      )}
      {recordings.map((one) => (
        <figure key={one.path} class="recording">
          <figcaption>
            {SPEAKER[one.role]}, from {clock(one.start_ms)}, {clock(one.duration_ms)} long
          </figcaption>
          <audio controls preload="none" src={`/api/calls/${view.call_id}/recordings/${one.path}`} />
        </figure>
      ))}
    </section>
  );
}

/** Who is on the right channel. */
function heard(roles: Role[]): string {
  return roles.length === 0 ? 'all others' : roles.map((role) => SPEAKER[role]).join(', ');
}

const UNSHOWN = { title: 'This call cannot be shown', to: '/dashboard', toSays: 'To the live calls' };

void enter(UNSHOWN, async (account) => {
  const path = `/api/calls/${encodeURIComponent(location.pathname.split('/').at(-1) ?? '')}`;
  const mayHear = account.grants?.includes('recordings') ?? false;
  const [view, { events }, sound] = await Promise.all([
    request<CallView>('GET', path),
    account.role === 'agent' ? { events: [] } : request<{ events: FactEvent[] }>('GET', `${path}/events`),
    mayHear ? request<Sound>('GET', `${path}/recordings`) : { recordings: [], mix: null },
  ]);
  document.title = `${view.label} ${view.title} · VoiceWatch`;
  return <Replay account={account} view={view} facts={events} sound={sound} />;
});

/** The supervisor's dashboard. */
import '../styles/ui.css';
import './dashboard.css';
import { enter } from '../components/enter';
import { Top } from '../components/shell';
import { Problem } from '../lib/api';
import type { Account } from '../lib/types';
import { Act } from './Act';
import { Call } from './Call';
import { Health, HealthBanner } from './Health';
import { Help } from './Help';
import { Icon, type IconName } from '../components/icons';
import { listen } from './keys';
import { showEvidence } from '../components/Lines';
import { NAV } from '../components/nav';
import { rungs, type RungName } from './rungs';
import * as store from './store';
import { Team } from './Team';
import { Wall } from './Wall';

const TABS: readonly { tab: store.Tab; label: string; icon: IconName }[] = [
  { tab: 'wall', label: 'Calls', icon: 'list' },
  { tab: 'call', label: 'Transcript', icon: 'ai' },
  { tab: 'act', label: 'Act', icon: 'takeover' },
  { tab: 'team', label: 'Team', icon: 'barge' },
];

function Dashboard({ account }: { account: Account }) {
  const status = store.feed.status.value;
  return (
    <div class={status === 'lost' ? 'dash is-stale' : 'dash'} data-view={store.tab.value}>
      <Top account={account} nav={NAV} current="/dashboard">
        <Health />
        <button
          type="button"
          class="iconbtn hide-s"
          aria-label="Keys"
          title="Keys (?)"
          onClick={() => {
            store.helpOpen.value = true;
          }}
        >
          <kbd>?</kbd>
        </button>
      </Top>
      <div class="dash__note">
        <HealthBanner />
      </div>
      <main class="parts">
        <h1 class="vh">Live calls</h1>
        <Wall />
        <Call />
        <Act />
        <Team />
      </main>
      <nav class="tabs" aria-label="Parts of the page">
        {TABS.map(({ tab, label, icon }) => (
          <button
            key={tab}
            type="button"
            aria-current={store.tab.value === tab ? 'page' : undefined}
            onClick={() => {
              store.tab.value = tab;
            }}
          >
            <Icon name={icon} />
            {label}
          </button>
        ))}
      </nav>
      <Help />
    </div>
  );
}

let shownEvidence = -1;

function nextEvidence(): void {
  const alerts = store.current.value?.view.alerts ?? [];
  if (alerts.length === 0) return;
  shownEvidence = (shownEvidence + 1) % alerts.length;
  store.tab.value = 'call';
  const alert = alerts[shownEvidence];
  if (alert) requestAnimationFrame(() => showEvidence(alert.alert_id));
}

function take(name: RungName): () => void {
  return () => {
    const call = store.current.value;
    if (!call || !store.isLive.value) return;
    const rung = rungs(call.view, store.lineSeat(call)).find((one) => one.name === name);
    if (rung?.state === 'rest') void store.supervision.take(call.view.call_id, name);
  };
}

function listenToKeys(): void {
  listen({
    ArrowUp: () => store.move(-1),
    ArrowDown: () => store.move(1),
    Enter: () => {
      const call = store.current.value;
      if (call) store.open(call.view.call_id);
    },
    1: take('monitor'),
    2: take('coach'),
    3: take('barge'),
    4: take('takeover'),
    5: take('handback'),
    0: () => {
      const callId = store.supervision.callId.value;
      if (callId !== null) void store.supervision.leave(callId);
    },
    n: () => {
      store.tab.value = 'call';
      requestAnimationFrame(() => document.getElementById('nudge')?.focus());
    },
    m: () => {
      const { callId, phone } = store.supervision;
      if (callId.value !== null) phone.mute(!phone.muted.value);
    },
    e: nextEvidence,
    o: () => {
      store.pinned.value = !store.pinned.value;
    },
    '?': () => {
      store.helpOpen.value = true;
    },
  });
}

void enter({ title: 'The dashboard cannot be shown' }, (account) => {
  if (account.role !== 'supervisor' && account.role !== 'admin') {
    throw new Problem(403, 'Not for you', 'This page is for supervisors. Open the link you were given; it works once.');
  }
  store.start();
  listenToKeys();
  return <Dashboard account={account} />;
});

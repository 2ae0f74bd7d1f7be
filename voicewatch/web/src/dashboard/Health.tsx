/** Whether what is on the page is so: live, live but with something paused, or not live at all. */
import { Banner } from '../components/shell';
import { timeOfDay } from '../lib/format';
import { degradedSays } from '../components/say';
import * as store from './store';

type State = 'connecting' | 'live' | 'degraded' | 'lost';

function state(): State {
  const { status, system } = store.feed;
  if (status.value !== 'live') return status.value;
  return system.value && system.value.degraded.length > 0 ? 'degraded' : 'live';
}

const WORDS: Record<State, string> = { connecting: 'Connecting', live: 'Live', degraded: 'Live, part paused', lost: 'Not live' };
const LOOK: Record<State, string> = { connecting: 'warn', live: 'ok', degraded: 'warn', lost: 'bad' };

export function Health() {
  const now = state();
  const lag_ms = store.feed.system.value?.analysis_lag_ms ?? 0;
  const live = store.calls.value.filter((call) => call.view.state === 'live').length;
  return (
    <div class="health" role="status" aria-label="State of the system" data-testid="system-state" data-state={now}>
      <span class={LOOK[now]}>
        <i class="dot" />
        <b>{WORDS[now]}</b>
      </span>
      <span>
        <b class="num">{live}</b> {live === 1 ? 'call' : 'calls'}
      </span>
      {now !== 'lost' && lag_ms > 0 && (
        <span class="hide-s">
          Analysis lag <b class="num">{(lag_ms / 1000).toFixed(1)} s</b>
        </span>
      )}
    </div>
  );
}

export function HealthBanner() {
  const { feed } = store;
  switch (state()) {
    case 'degraded':
      return (
        <Banner kind="warn">
          <b>Live, but not whole.</b> {degradedSays(feed.system.value?.degraded ?? [])} Calls go on unharmed.
        </Banner>
      );
    case 'lost':
      return (
        <Banner kind="bad">
          <b>This page is not live.</b> {lastKnown(feed.lastEventAt.value)}{' '}
          {feed.refused.value ? 'The server does not take this sign-in any more.' : 'Calls go on. Trying again.'}{' '}
          <button type="button" class="btn btn--s" onClick={() => location.reload()}>Load again</button>
        </Banner>
      );
    default:
      return null;
  }
}

function lastKnown(at: number): string {
  return at ? `Everything below is as of ${timeOfDay(at)}.` : 'Nothing was heard from the server yet.';
}

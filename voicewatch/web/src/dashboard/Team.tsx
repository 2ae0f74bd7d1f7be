/** The agents and what each is doing, by shape and word. */
import type { JSX } from 'preact';
import type { AgentRow, PresenceState } from '../lib/types';
import { count } from '../lib/format';
import * as store from './store';

const WORDS: Record<PresenceState, string> = {
  available: 'free',
  ringing: 'rings',
  on_call: 'on call',
  wrap_up: 'wrap-up',
  away: 'away',
  offline: 'offline',
};
const ORDER: readonly PresenceState[] = ['available', 'ringing', 'on_call', 'wrap_up', 'away', 'offline'];

export function Team() {
  const agents = [...store.feed.agents.value].sort(
    (a, b) => ORDER.indexOf(a.state) - ORDER.indexOf(b.state) || a.name.localeCompare(b.name),
  );
  const free = agents.filter((agent) => agent.state === 'available').length;
  const busy = agents.filter((agent) => agent.state === 'on_call').length;
  return (
    <footer class="dock" aria-label="Team">
      <section>
        <h2>
          Agents <span class="muted">{agents.length ? `${free} free, ${busy} on call` : 'nobody signed in'}</span>
          <span class="spacer" />
          {store.feed.system.value && <span class="muted">{count(store.calls.value.filter((call) => call.view.state === 'live').length, 'live call')}</span>}
        </h2>
        <ul class="agents">
          {agents.map((agent) => <Agent key={agent.agent_id} agent={agent} />)}
        </ul>
      </section>
    </footer>
  );
}

function Agent({ agent }: { agent: AgentRow }) {
  const call = agent.call_id ? store.feed.calls.value.get(agent.call_id) : undefined;
  return (
    <li class="ppl" data-testid="agent-row" data-state={agent.state}>
      <Presence state={agent.state} />
      <b class="clip">{agent.name || agent.agent_id}</b>
      <span class="spacer" />
      <span class="soft small">{WORDS[agent.state]}{call ? ` ${call.view.label}` : ''}</span>
    </li>
  );
}

/** Six shapes: check, target, full, half, ring, broken ring. */
const SHAPES: Record<PresenceState, JSX.Element> = {
  available: <path fill="currentColor" d="M8 1.500a6.500 6.500 0 1 0 0 13 6.500 6.500 0 0 0 0-13zM7.200 11 4.300 8.200l1.200-1.200 1.700 1.600 3.400-3.600 1.200 1.200z" fill-rule="evenodd" />,
  ringing: (
    <>
      <circle class="pres__line" cx="8" cy="8" r="5.500" />
      <circle fill="currentColor" cx="8" cy="8" r="2.500" />
    </>
  ),
  on_call: <circle fill="currentColor" cx="8" cy="8" r="6" />,
  wrap_up: (
    <>
      <circle class="pres__line" cx="8" cy="8" r="5.500" />
      <path fill="currentColor" d="M8 2.500a5.500 5.500 0 0 1 0 11z" />
    </>
  ),
  away: <circle class="pres__line" cx="8" cy="8" r="5.500" />,
  offline: <circle class="pres__line" cx="8" cy="8" r="5.500" stroke-dasharray="3 2.500" />,
};

function Presence({ state }: { state: PresenceState }) {
  return <svg class={`pres pres--${state}`} width="13" height="13" viewBox="0 0 16 16" aria-hidden="true">{SHAPES[state]}</svg>;
}

/** The agents and what each is doing, by shape and word. */
import { Presence } from '../components/Presence';
import type { AgentRow, PresenceState } from '../lib/types';
import { count } from '../lib/format';
import { Figures } from './Figures';
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
    <section class="dock" aria-label="Team">
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
      <Figures />
    </section>
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

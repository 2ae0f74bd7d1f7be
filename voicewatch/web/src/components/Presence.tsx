/** What an agent is doing, as a shape: check, target, full, half, ring, broken ring. */
import type { JSX } from 'preact';
import type { PresenceState } from '../lib/types';

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

export function Presence({ state }: { state: PresenceState }) {
  return <svg class={`pres pres--${state}`} width="13" height="13" viewBox="0 0 16 16" aria-hidden="true">{SHAPES[state]}</svg>;
}

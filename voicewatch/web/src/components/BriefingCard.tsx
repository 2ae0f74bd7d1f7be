/** What the human reads before speaking: the reason first, then what is wanted, known and not to be asked. */
import type { Briefing } from '../lib/types';

export function BriefingCard({ briefing, large = false }: { briefing: Briefing; large?: boolean }) {
  return (
    <div class={large ? 'brief brief--large' : 'brief'}>
      <p class="brief__why" data-testid="briefing-why">
        {briefing.why_now}
      </p>
      {briefing.summary && (
        <p class="small" data-testid="briefing-summary">
          {briefing.summary} <span class="muted">(written by a language model)</span>
        </p>
      )}
      <dl class="dl">
        <Entry name="Wants" lines={briefing.wants ? [briefing.wants] : []} strong />
        <Entry name="Known" lines={briefing.known} />
        <Entry name="Tried" lines={briefing.tried} />
        <Entry name="Don’t ask" lines={briefing.do_not_ask} />
        <Entry name="Promised" lines={briefing.commitments} />
        <Entry name="Next" lines={briefing.next_steps} />
        <Entry name="Say" lines={briefing.phrases.map((phrase) => `“${phrase}”`)} />
        <Entry name="Before" lines={briefing.history} />
        <Entry name="Notes" lines={[...briefing.notes, briefing.recording].filter(Boolean)} />
      </dl>
    </div>
  );
}

function Entry({ name, lines, strong = false }: { name: string; lines: string[]; strong?: boolean }) {
  if (!lines.length) return null;
  return (
    <>
      <dt>{name}</dt>
      <dd>
        {lines.map((line) => (
          <p key={line}>{strong ? <b>{line}</b> : line}</p>
        ))}
      </dd>
    </>
  );
}

const SPEAKERS: Record<string, string> = { customer: 'Customer', ai: 'AI', agent: 'Agent', supervisor: 'Supervisor' };

export function LastTurns({ briefing }: { briefing: Briefing }) {
  return (
    <ol class="turns">
      {briefing.last_turns.map(([role, text], place) => (
        <li key={place}>
          <span class={role === 'ai' ? 'spk spk--ai' : 'spk'}>{SPEAKERS[role] ?? role}</span> {text}
        </li>
      ))}
    </ol>
  );
}

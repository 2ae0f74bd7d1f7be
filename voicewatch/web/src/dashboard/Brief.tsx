/** What the human reads before speaking, in a column. */
import type { Briefing } from '../lib/types';

export function Brief({ briefing }: { briefing: Briefing }) {
  const rows: [string, string[]][] = [
    ['Why now', [briefing.why_now]],
    ['Wants', [briefing.wants]],
    ['Known', briefing.known],
    ['Tried', briefing.tried],
    ['Don’t ask', briefing.do_not_ask],
    ['Promised', briefing.commitments],
    ['Next', briefing.next_steps],
    ['Begin', [briefing.opening]],
  ];
  return (
    <section class="sec">
      <h2>
        Briefing
        <span class="spacer" />
        <span class="tiny muted">what the human reads first</span>
      </h2>
      <dl class="dl">
        {rows.map(([name, given]) => {
          const texts = given.filter(Boolean);
          return texts.length > 0 && [<dt key={name}>{name}</dt>, <dd key={`${name}:`}>{texts.map((text) => <p key={text}>{text}</p>)}</dd>];
        })}
      </dl>
      {briefing.notes.length > 0 && <p class="small muted">{briefing.notes.join(' ')}</p>}
    </section>
  );
}

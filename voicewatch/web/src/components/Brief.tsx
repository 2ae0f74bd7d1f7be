/** The briefing as a section of a column. */
import type { Briefing } from '../lib/types';
import { BriefingCard } from './BriefingCard';

export function Brief({ briefing }: { briefing: Briefing }) {
  return (
    <section class="sec">
      <h2>
        Briefing
        <span class="spacer" />
        <span class="tiny muted">what the human reads first</span>
      </h2>
      <BriefingCard briefing={briefing} />
      {briefing.opening && <p class="small muted">Begin: “{briefing.opening}”</p>}
    </section>
  );
}

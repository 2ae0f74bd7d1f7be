/** Which call this is, how it stands, and facts about it. */
import type { ComponentChildren } from 'preact';
import type { CallView } from '../lib/types';
import { DoubtFigure, MoodFigure } from './marks';

interface Props {
  view: CallView;
  /** What is wrong, in a line of its own. */
  why?: ComponentChildren;
  children: ComponentChildren;
}

export function CallHead({ view, why, children }: Props) {
  return (
    <header class="call-h">
      <h1>
        <span>{view.label}</span>
        <span class="clip">{view.title}</span>
        <span class="spacer" />
        <MoodFigure sentiment={view.sentiment} trend />
        <DoubtFigure uncertainty={view.uncertainty} />
      </h1>
      {why}
      <div class="facts">{children}</div>
    </header>
  );
}

/** Who somebody is, by shape: square and barred for the AI, round with a person for people. */
import { mood, percent } from '../lib/format';
import type { CallView, Role, Sentiment, Severity, Uncertainty } from '../lib/types';
import { Icon, type IconName } from './icons';

const GLYPHS: Record<Role, { icon: IconName; look: string }> = {
  customer: { icon: 'person', look: 'av' },
  ai: { icon: 'ai', look: 'av av--ai' },
  agent: { icon: 'person', look: 'av av--human' },
  supervisor: { icon: 'supervisor', look: 'av av--human' },
};

export function RoleGlyph({ role, large = false }: { role: Role; large?: boolean }) {
  const { icon, look } = GLYPHS[role];
  return (
    <span class={large ? `${look} av--large` : look}>
      <Icon name={icon} {...(large ? { size: 'l' as const } : {})} />
    </span>
  );
}

/** Who has the voice, by glyph, word and colour. */
export function VoiceChip({ view, isMine }: { view: CallView; isMine: boolean }) {
  if (view.state !== 'live') return <span class="chip">{view.state === 'ended' ? 'Ended' : 'Cut off'}</span>;
  if (view.voice === 'nobody') return <span class="chip">Nobody</span>;
  const isAI = view.voice === 'ai';
  return (
    <span class={`chip chip--${isAI ? 'ai' : 'human'}`}>
      <Icon name={isAI ? 'ai' : 'person'} size="s" />
      {isAI ? 'AI' : isMine ? 'You' : view.voice_name || 'Person'}
    </span>
  );
}

const SEVERITY_WORDS: Record<Severity, string> = {
  critical: 'Critical',
  high: 'High',
  watch: 'Keep an eye on',
  calm: 'Calm',
};

/** Octagon, triangle, diamond, ring: how bad, by shape. */
export function SeverityMark({ severity }: { severity: Severity }) {
  return (
    <svg class={`sev sev--${severity}`} viewBox="0 0 18 18" role="img" aria-label={SEVERITY_WORDS[severity]}>
      {severity === 'critical' && (
        <>
          <path fill="currentColor" d="M6 1.500h6L16.500 6v6L12 16.500H6L1.500 12V6z" />
          <path class="sev__bang" d="M9 5v5M9 12.600v.4" />
        </>
      )}
      {severity === 'high' && (
        <>
          <path fill="currentColor" d="M9 1.800 17 16H1z" />
          <path class="sev__bang" d="M9 6.800v4.200M9 13.300v.2" />
        </>
      )}
      {severity === 'watch' && <path fill="none" stroke="currentColor" stroke-width="2" d="M9 2.200 15.800 9 9 15.800 2.200 9z" />}
      {severity === 'calm' && <circle cx="9" cy="9" r="3.500" fill="none" stroke="currentColor" stroke-width="1.600" />}
    </svg>
  );
}

/** Mood of the customer: a sign and a triangle, and in full where it is going. */
export function MoodFigure({ sentiment, trend = false }: { sentiment: Sentiment | null; trend?: boolean }) {
  if (!sentiment) return <span class="muted" title="Mood of the customer: not scored yet"><span class="vh">mood not scored yet</span><span aria-hidden="true">–</span></span>;
  const side = sentiment.score >= 0.5 ? 'pos' : sentiment.score <= -0.5 ? 'neg' : 'neu';
  const going = trend && sentiment.trend && sentiment.trend !== 'steady' ? ` and ${sentiment.trend}` : '';
  return (
    <span class={`mood mood--${side}`} title={`Mood of the customer, −5 to +5, ${percent(sentiment.confidence)} sure`}>
      <span class="vh">mood </span>
      {mood(sentiment.score)}
      {going}
    </span>
  );
}

/** How doubtful what was said is; its parts in the tooltip. */
export function DoubtFigure({ uncertainty }: { uncertainty: Uncertainty | null }) {
  if (!uncertainty) return null;
  const part = (name: string, value: number | null) => `${name} ${value === null ? 'not evaluated' : percent(value)}`;
  const parts = [
    part('recognition', uncertainty.recognition),
    part('speaker', uncertainty.speaker),
    part('dialogue', uncertainty.dialogue),
  ];
  return (
    <span class="doubt" title={`Uncertainty: ${parts.join(', ')}`}>
      <span class="vh">uncertainty </span>
      {percent(uncertainty.score)}
    </span>
  );
}

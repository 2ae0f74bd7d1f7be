/** The small signs: none of them says by colour alone what it says. */
import { mood, percent } from '../lib/format';
import type { Role, Sentiment, Severity, Uncertainty } from '../lib/types';
import { Icon, type IconName } from './icons';

const SEVERITY_WORDS: Record<Severity, string> = {
  critical: 'Critical',
  high: 'High',
  watch: 'Keep an eye on',
  calm: 'Calm',
};

/** Octagon, triangle, diamond, ring. */
export function Mark({ severity }: { severity: Severity }) {
  return (
    <svg class={`sev sev--${severity}`} viewBox="0 0 18 18" role="img" aria-label={SEVERITY_WORDS[severity]}>
      {severity === 'critical' && (
        <>
          <path d="M5.8 1h6.4L17 5.8v6.4L12.2 17H5.8L1 12.2V5.8z" fill="currentColor" />
          <path d="M9 4.600v5.200M9 12.400v1" class="sev__sign" />
        </>
      )}
      {severity === 'high' && (
        <path d="M9 2.2 16.5 15.500h-15z" fill="none" stroke="currentColor" stroke-width="2" stroke-linejoin="round" />
      )}
      {severity === 'watch' && (
        <path d="M9 3 15 9l-6 6-6-6z" fill="none" stroke="currentColor" stroke-width="1.8" stroke-linejoin="round" />
      )}
      {severity === 'calm' && <circle cx="9" cy="9" r="4.5" fill="none" stroke="currentColor" stroke-width="1.6" />}
    </svg>
  );
}

const TREND_WORDS = { rising: ' and rising', falling: ' and falling', steady: '' };

/** The customer's mood: sign, triangle and, in full, where it is going. */
export function Mood({ sentiment, full = false }: { sentiment: Sentiment | null; full?: boolean }) {
  if (!sentiment) return <span class="muted small">mood not scored</span>;
  const text = mood(sentiment.score);
  const side = sentiment.score >= 0.5 ? 'pos' : sentiment.score <= -0.5 ? 'neg' : 'neu';
  const trend = full && sentiment.trend ? TREND_WORDS[sentiment.trend] : '';
  return (
    <span class={`mood mood--${side}`} title="Mood of the customer, −5 to +5">
      <span class="vh">mood </span>
      {text}
      {trend}
    </span>
  );
}

/** How doubtful what was said is; its parts in the tooltip. */
export function Doubt({ uncertainty }: { uncertainty: Uncertainty | null }) {
  if (!uncertainty) return null;
  return (
    <span class="doubt" title={doubtWords(uncertainty)}>
      <span class="vh">uncertainty </span>
      {percent(uncertainty.score)}
    </span>
  );
}

export function doubtWords(uncertainty: Uncertainty): string {
  const part = (name: string, value: number | null): string =>
    `${name} ${value === null ? 'not evaluated' : percent(value)}`;
  return [
    'Uncertainty:',
    [
      part('recognition', uncertainty.recognition),
      part('speaker', uncertainty.speaker),
      part('dialogue', uncertainty.dialogue),
    ].join(', '),
  ].join(' ');
}

const GLYPHS: Record<Role, IconName> = {
  customer: 'person',
  ai: 'ai',
  agent: 'person',
  supervisor: 'supervisor',
};

/** Square and barred for the AI, round with a person for people. */
export function RoleGlyph({ role, large = false }: { role: Role; large?: boolean }) {
  const kind = role === 'ai' ? 'ai' : role === 'customer' ? 'customer' : 'human';
  return (
    <span class={`av av--${kind}${large ? ' av--large' : ''}`}>
      <Icon name={GLYPHS[role]} />
    </span>
  );
}

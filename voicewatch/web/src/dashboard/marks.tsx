/** Signs that say the same without their colour: severity by shape, mood by sign, doubt by hatching, voice by glyph. */
import { mood, percent } from '../lib/format';
import type { CallView, Sentiment, Severity, Uncertainty } from '../lib/types';

const SEVERITY: Record<Severity, string> = { critical: 'Critical', high: 'High', watch: 'Watch', calm: 'Calm' };

/** The shape alone, within a box of 18 units, for use inside of another drawing. */
export function SeverityShape({ severity }: { severity: Severity }) {
  switch (severity) {
    case 'critical':
      return (
        <>
          <path fill="currentColor" d="M6 1.500h6L16.500 6v6L12 16.500H6L1.500 12V6z" />
          <path class="sev__bang" d="M9 5v5M9 12.600v.4" />
        </>
      );
    case 'high':
      return (
        <>
          <path fill="currentColor" d="M9 1.800 17 16H1z" />
          <path class="sev__bang" d="M9 6.800v4.200M9 13.300v.2" />
        </>
      );
    case 'watch':
      return <path fill="none" stroke="currentColor" stroke-width="2" d="M9 2.200 15.800 9 9 15.800 2.200 9z" />;
    case 'calm':
      return <circle cx="9" cy="9" r="3.500" fill="none" stroke="currentColor" stroke-width="1.600" />;
  }
}

export function SeverityMark({ severity }: { severity: Severity }) {
  return (
    <svg class={`sev sev--${severity}`} viewBox="0 0 18 18" role="img" aria-label={SEVERITY[severity]}>
      <SeverityShape severity={severity} />
    </svg>
  );
}

export function MoodFigure({ sentiment, trend = false }: { sentiment: Sentiment | null; trend?: boolean }) {
  if (!sentiment) return <span class="muted" title="Mood not scored yet">–</span>;
  const sign = Math.abs(sentiment.score) < 0.5 ? 'neu' : sentiment.score < 0 ? 'neg' : 'pos';
  const going = trend && sentiment.trend && sentiment.trend !== 'steady' ? ` and ${sentiment.trend}` : '';
  return (
    <span class={`mood mood--${sign}`} title={`Mood ${mood(sentiment.score)} of −5 to +5, ${percent(sentiment.confidence)} sure`}>
      <span class="vh">mood </span>
      {mood(sentiment.score)}
      {going}
    </span>
  );
}

export function DoubtFigure({ uncertainty }: { uncertainty: Uncertainty | null }) {
  if (!uncertainty) return null;
  const part = (name: string, value: number | null) => `${name} ${value === null ? 'not scored' : percent(value)}`;
  const parts = [
    part('words', uncertainty.recognition),
    part('speaker', uncertainty.speaker),
    part('dialogue', uncertainty.dialogue),
  ].join(', ');
  return (
    <span class="doubt" title={`Uncertainty: ${parts}`}>
      <span class="vh">uncertainty </span>
      {percent(uncertainty.score)}
    </span>
  );
}

export function VoiceChip({ view, isMine }: { view: CallView; isMine: boolean }) {
  if (view.state !== 'live') return <span class="chip">{view.state === 'ended' ? 'Ended' : 'Cut off'}</span>;
  if (view.voice === 'nobody') return <span class="chip">Nobody</span>;
  const isAI = view.voice === 'ai';
  return (
    <span class={`chip chip--${isAI ? 'ai' : 'human'}`}>
      <RoleGlyph isAI={isAI} />
      {isAI ? 'AI' : isMine ? 'You' : view.voice_name || 'Person'}
    </span>
  );
}

function RoleGlyph({ isAI }: { isAI: boolean }) {
  return (
    <svg class="i i-s" viewBox="0 0 16 16" aria-hidden="true">
      {isAI ? (
        <path d="M2.500 8h1.600M5.800 5v6M8 2.800v10.400M10.200 5v6M11.900 8h1.600" />
      ) : (
        <>
          <circle cx="8" cy="5.200" r="2.400" />
          <path d="M3.300 13.500c.4-2.900 2.200-4.300 4.700-4.300s4.300 1.400 4.700 4.300" />
        </>
      )}
    </svg>
  );
}

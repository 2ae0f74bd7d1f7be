/** Figures as people read them: 6:42, −3.6, 71 %. */

const MINUS = '−';

/** 402_000 → 6:42; from an hour on 1:06:42. */
export function clock(ms: number): string {
  const total = Math.max(0, Math.floor(ms / 1000));
  const hours = Math.floor(total / 3600);
  const minutes = Math.floor((total % 3600) / 60);
  const seconds = String(total % 60).padStart(2, '0');
  return hours ? `${hours}:${String(minutes).padStart(2, '0')}:${seconds}` : `${minutes}:${seconds}`;
}

/** -3.62 → −3.6; 0.04 → 0.0; 2 → +2.0. */
export function mood(score: number): string {
  const tenths = Math.round(score * 10) / 10;
  if (tenths === 0) return '0.0';
  return (tenths > 0 ? '+' : MINUS) + Math.abs(tenths).toFixed(1);
}

/** 0.714 → 71 %. */
export function percent(share: number): string {
  return `${Math.round(share * 100)} %`;
}

/** The time of day, 14:32:07. */
export function timeOfDay(at: Date | number): string {
  return new Date(at).toLocaleTimeString('en-GB');
}

/** 1, "call", → 1 call; 2 → 2 calls. */
export function count(n: number, one: string, many = `${one}s`): string {
  return `${n} ${n === 1 ? one : many}`;
}

/** wants_human → Wants human; ai_wrong → AI wrong. */
export function spaced(name: string): string {
  const words = name.replaceAll('_', ' ').trim().replace(/\bai\b/g, 'AI');
  return words.charAt(0).toUpperCase() + words.slice(1);
}

const LANGUAGES = new Intl.DisplayNames('en', { type: 'language', fallback: 'code' });

/** en → English; what is no language code stays as it is. */
export function languageName(code: string): string {
  try {
    return LANGUAGES.of(code) ?? code;
  } catch {
    return code;
  }
}

/** "Ines Moreau" → IM. */
export function initials(name: string): string {
  const parts = name.trim().split(/\s+/).filter(Boolean);
  return (
    parts
      .slice(0, 2)
      .map((part) => part.charAt(0).toUpperCase())
      .join('') || '?'
  );
}

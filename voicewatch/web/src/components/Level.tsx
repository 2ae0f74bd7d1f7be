/** Loudness of the microphone as a row of bars. */
const BARS = 12;

export function Level({ level, label = 'Microphone level' }: { level: number; label?: string }) {
  const lit = Math.round(level * BARS);
  return (
    <span class="lvl" role="meter" aria-label={label} aria-valuemin={0} aria-valuemax={BARS} aria-valuenow={lit}>
      {Array.from({ length: BARS }, (_, place) => (
        <i key={place} class={place < lit ? 'on' : ''} />
      ))}
    </span>
  );
}

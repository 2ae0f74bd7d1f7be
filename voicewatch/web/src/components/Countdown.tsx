/** Seconds left, as a ring that empties. */
const RADIUS = 35;
const ROUND = 2 * Math.PI * RADIUS;

export function Countdown({ left_ms, of_ms }: { left_ms: number; of_ms: number }) {
  const seconds = Math.max(0, Math.ceil(left_ms / 1000));
  const share = Math.min(1, Math.max(0, left_ms / Math.max(1, of_ms)));
  return (
    <svg class="countdown" viewBox="0 0 76 76" role="img" aria-label={`${seconds} seconds left`}>
      <circle class="countdown__all" cx="38" cy="38" r={RADIUS} />
      <circle
        class="countdown__left"
        cx="38"
        cy="38"
        r={RADIUS}
        stroke-dasharray={`${share * ROUND} ${ROUND}`}
        transform="rotate(-90 38 38)"
      />
      <text x="38" y="38" dy=".36em">
        {seconds}
      </text>
    </svg>
  );
}

/** The ladder of presence and, under it, what the line and the microphone do. */
import type { Rung, RungName } from './rungs';
import { Icon } from '../components/icons';

export function Ladder({ rungs, onTake }: { rungs: Rung[]; onTake: (name: RungName) => void }) {
  return (
    <div class="ladder" role="group" aria-label="How you take part">
      {rungs.map((rung) => (
        <button
          key={rung.name}
          type="button"
          data-testid={`rung-${rung.name}`}
          data-state={rung.state}
          class={`rung rung--${rung.state}${rung.name === 'handback' ? ' rung--wide' : ''}`}
          aria-pressed={rung.name === 'handback' ? undefined : rung.state === 'active'}
          aria-disabled={rung.state === 'blocked' || rung.state === 'pending'}
          onClick={() => {
            if (rung.state === 'rest' || rung.state === 'failed') onTake(rung.name);
          }}
        >
          <Icon name={rung.name} />
          <b>{rung.label}</b>
          <kbd>{rung.key}</kbd>
          <small>{rung.says}</small>
        </button>
      ))}
    </div>
  );
}

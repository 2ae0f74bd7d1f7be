/** Who speaks to the customer: by glyph, word and colour. */
import { Icon } from '../components/icons';
import type { CallView } from '../lib/types';

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

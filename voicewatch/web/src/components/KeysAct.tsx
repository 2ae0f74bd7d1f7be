/** Turns single keys off and on. */
import { keysAct, letKeysAct } from '../lib/singleKeys';

export function KeysAct() {
  return (
    <label class="tick">
      <input
        type="checkbox"
        data-testid="keys-act"
        checked={keysAct.value}
        onChange={(event) => letKeysAct(event.currentTarget.checked)}
      />
      Single keys act
    </label>
  );
}

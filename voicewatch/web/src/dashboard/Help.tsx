/** The keys, on request. */
import { useEffect, useRef } from 'preact/hooks';
import { KeysAct } from '../components/KeysAct';
import { HELP } from './keys';
import { helpOpen } from './store';

export function Help() {
  const dialog = useRef<HTMLDialogElement>(null);
  const isOpen = helpOpen.value;
  useEffect(() => {
    if (isOpen) dialog.current?.showModal();
    else dialog.current?.close();
  }, [isOpen]);
  return (
    <dialog
      ref={dialog}
      class="help"
      aria-label="Keys"
      onClose={() => {
        helpOpen.value = false;
      }}
    >
      <h2>Keys</h2>
      <dl>
        {HELP.map(([key, does]) => [<dt key={key}><kbd>{key}</kbd></dt>, <dd key={does}>{does}</dd>])}
      </dl>
      <KeysAct />
      <form method="dialog">
        <button type="submit" class="btn">Close</button>
      </form>
    </dialog>
  );
}

import { effect } from '@preact/signals';
import { render } from 'preact';
import '../styles/ui.css';
import './agent.css';
import '../lib/theme';
import { listenToKeys } from './keys';
import { Softphone } from './Phone';
import { open, stage } from './store';

render(<Softphone />, document.getElementById('page') as HTMLElement);
listenToKeys();
effect(() => {
  document.title = stage.value.name === 'ringing' ? '● A call for you' : 'Phone · VoiceWatch';
});
void open();

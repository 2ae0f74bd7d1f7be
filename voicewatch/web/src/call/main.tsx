import { render } from 'preact';
import '../styles/ui.css';
import './call.css';
import '../lib/theme';
import { Card } from './Card';
import { open } from './store';

render(<Card />, document.getElementById('page') as HTMLElement);
void open();

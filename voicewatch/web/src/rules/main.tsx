/** The rules in force, to read. */
import '../styles/ui.css';
import './rules.css';
import { render } from 'preact';
import { Top } from '../components/shell';
import { arrive, inWords, request } from '../lib/api';
import { count, spaced } from '../lib/format';
import type { Account, Severity } from '../lib/types';
import { SeverityMark } from '../components/marks';
import { NAV } from '../components/nav';

interface Rule {
  name: string;
  severity: Severity;
  text: string;
}

const SEVERITIES: readonly { severity: Severity; title: string }[] = [
  { severity: 'critical', title: 'Critical' },
  { severity: 'high', title: 'Needs someone now' },
  { severity: 'watch', title: 'Keep an eye on' },
  { severity: 'calm', title: 'For the record' },
];

function Rules({ account, rules, source }: { account: Account; rules: Rule[]; source: string }) {
  return (
    <>
      <Top account={account} nav={NAV} current="/rules" />
      <main class="rulebook">
        <h1>Rules</h1>
        <p class="soft">
          {count(rules.length, 'rule')} in force, for every call.
        </p>
        {SEVERITIES.map(({ severity, title }) => (
          <Group key={severity} title={title} rules={rules.filter((rule) => rule.severity === severity)} />
        ))}
        {source && (
          <details class="source">
            <summary class="link">As they are written</summary>
            <pre class="code">{source}</pre>
          </details>
        )}
      </main>
    </>
  );
}

function Group({ title, rules }: { title: string; rules: Rule[] }) {
  if (rules.length === 0) return null;
  return (
    <section aria-label={title}>
      <h2>
        {title} <span class="num muted">{rules.length}</span>
      </h2>
      <ul>
        {rules.map((rule) => (
          <li key={rule.name} class="law" data-testid="rule" data-severity={rule.severity}>
            <SeverityMark severity={rule.severity} />
            <div>
              <b>{spaced(rule.name)}</b>
              <p class="soft">{rule.text}</p>
            </div>
          </li>
        ))}
      </ul>
    </section>
  );
}

function Refused({ why }: { why: string }) {
  return (
    <div class="empty">
      <h2>The rules cannot be shown</h2>
      <p>{why}</p>
      <p><a class="btn" href="/">To the start</a></p>
    </div>
  );
}

async function begin(root: HTMLElement): Promise<void> {
  try {
    const account = await arrive();
    if (!account) {
      render(<Refused why="You are not signed in." />, root);
      return;
    }
    const { rules, source } = await request<{ rules: Rule[]; source: string }>('GET', '/api/rules');
    render(<Rules account={account} rules={rules} source={source} />, root);
  } catch (error) {
    render(<Refused why={inWords(error)} />, root);
  }
}

const root = document.getElementById('app');
if (root) void begin(root);

/** The rules in force, to read. */
import '../styles/ui.css';
import './rules.css';
import { enter } from '../components/enter';
import { Top } from '../components/shell';
import { request } from '../lib/api';
import { count, spaced } from '../lib/format';
import type { Account, Severity } from '../lib/types';
import { SeverityMark } from '../components/marks';
import { NAV } from '../components/nav';

interface Rule {
  name: string;
  severity: Severity;
  text: string;
  action?: 'alert' | 'escalate';
  shadow?: boolean;
  tiers?: string[];
  /** Since the server started. */
  counts?: { fired?: number; escalated?: number; dismissed?: number; shadow?: number };
  /** Reason -> live calls in which the rule cannot be evaluated now. */
  not_evaluated?: Record<string, number>;
}

interface RuleBook {
  source: string;
  rules: Rule[];
  file?: string;
  problem?: string;
}

const SEVERITIES: readonly { severity: Severity; title: string }[] = [
  { severity: 'critical', title: 'Critical' },
  { severity: 'high', title: 'Needs someone now' },
  { severity: 'watch', title: 'Keep an eye on' },
  { severity: 'calm', title: 'For the record' },
];

function Rules({ account, book }: { account: Account; book: RuleBook }) {
  const { rules, source, file, problem } = book;
  return (
    <>
      <Top account={account} nav={NAV} current="/rules" />
      <main class="rulebook">
        <h1>Rules</h1>
        <p class="soft">
          {count(rules.length, 'rule')} in force, for every call
          {file ? `, from ${file}` : ''}.
        </p>
        {problem && (
          <p class="problem" role="alert" data-testid="problem">
            The file as it is now is not in force: {problem}
          </p>
        )}
        {SEVERITIES.map(({ severity, title }) => (
          <Group key={severity} title={title} rules={rules.filter((rule) => rule.severity === severity)} />
        ))}
        {source && (
          <details class="source">
            <summary class="link">As they are written</summary>
            <pre class="code" tabIndex={0} aria-label="The rules as they are written">{source}</pre>
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
              {rule.shadow && <span class="muted"> on trial: only counted</span>}
              <p class="soft">{rule.text}</p>
              <p class="muted num">{standing(rule)}</p>
              {Object.entries(rule.not_evaluated ?? {}).map(([reason, calls]) => (
                <p key={reason} class="muted">
                  Cannot be evaluated in {count(calls, 'call')}: {reason}
                </p>
              ))}
            </div>
          </li>
        ))}
      </ul>
    </section>
  );
}

/** What the rule does, and has done since the server started. */
function standing({ action, shadow, tiers = [], counts = {} }: Rule): string {
  const parts = [action === 'escalate' ? 'calls a person' : 'alerts'];
  if (tiers.length > 0) parts.push(`stricter for ${tiers.join(', ')}`);
  const told = shadow ? (counts.shadow ?? 0) : (counts.fired ?? 0);
  parts.push(shadow ? `would have fired ${count(told, 'time')}` : `fired ${count(told, 'time')}`);
  if (counts.escalated) parts.push(`called a person ${count(counts.escalated, 'time')}`);
  if (counts.dismissed) parts.push(`dismissed ${count(counts.dismissed, 'time')}`);
  return parts.join(' · ');
}

void enter({ title: 'The rules cannot be shown' }, async (account) => {
  const book = await request<RuleBook>('GET', '/api/rules');
  return <Rules account={account} book={book} />;
});

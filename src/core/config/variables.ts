import type { Report } from './check.ts';
import type { ConfigNode } from './document.ts';

/** Where the variables of a file get their values. */
export interface VariableSource {
  /** For `${env:NAME}`. */
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly workspaceFolder: string;
  readonly userHome: string;
  /** For `${input:ID}`; undefined where there is no answer. */
  readonly input: (id: string) => string | undefined;
}

/** The tree with `${…}` replaced in every text. What is not a variable of ours stays as it is, with a warning. */
export function resolveVariables(node: ConfigNode, source: VariableSource, report: Report): ConfigNode {
  const visit = (current: ConfigNode): ConfigNode => {
    switch (current.kind) {
      case 'list':
        return { ...current, items: current.items.map(visit) };
      case 'map':
        return { ...current, entries: current.entries.map(entry => ({ ...entry, value: visit(entry.value) })) };
      case 'scalar':
        return typeof current.value === 'string' ? { ...current, value: replace(current.value, current) } : current;
    }
  };
  const replace = (text: string, place: ConfigNode) =>
    text.replace(/\$\{([^{}]*)\}/g, (whole, expression: string) => {
      const resolved = resolve(expression, source);
      if (resolved.kind === 'value') return resolved.value;
      report(resolved.kind === 'missing' ? 'error' : 'warning', place, resolved.message);
      return whole;
    });
  return visit(node);
}

type Resolved =
  | { readonly kind: 'value'; readonly value: string }
  | { readonly kind: 'missing' | 'unknown'; readonly message: string };

function resolve(expression: string, source: VariableSource): Resolved {
  if (expression === 'workspaceFolder') return { kind: 'value', value: source.workspaceFolder };
  if (expression === 'userHome') return { kind: 'value', value: source.userHome };
  const [, scope, id] = /^(env|input):(.+)$/s.exec(expression) ?? [];
  if (scope === undefined || id === undefined) return { kind: 'unknown', message: unknownVariable(expression) };
  const value = scope === 'env' ? source.env[id] : source.input(id);
  if (value !== undefined) return { kind: 'value', value };
  const message =
    scope === 'env' ? `the environment variable ${id} is not set` : `there is no value for the input "${id}"`;
  return { kind: 'missing', message };
}

function unknownVariable(expression: string): string {
  const stays = 'is not a variable known here, and stays as it is';
  // Only a plain word is repeated: `${TOKEN:-…}` of a shell may hold the secret itself.
  if (!/^[\w.:]{1,64}$/.test(expression)) return `a \${…} ${stays}`;
  const hint = /^[A-Z][A-Z0-9_]*$/.test(expression) ? `; did you mean \${env:${expression}}?` : '';
  return `\${${expression}} ${stays}${hint}`;
}

// A row of a tree, and how rows say numbers, times and text. Pure.
import type { RowKind } from './contributions.ts';

export interface Row {
  /** Unique in the tree, and the same from one snapshot to the next. */
  readonly id: string;
  readonly kind: RowKind;
  readonly label: string;
  readonly description: string;
  /** Markdown. */
  readonly tooltip: string;
  /** Of the editor's own icons. */
  readonly icon: string;
  readonly color?: string;
  readonly children: readonly Row[];
  /** Open until the person closes it. */
  readonly isExpanded: boolean;
  /** The backend that a command on this row is about. */
  readonly backend?: string;
  /** The tool that it is about, by its exposed name. */
  readonly tool?: string;
  /** Line of the configuration file that a click opens, counted from 1. */
  readonly line?: number;
}

/** "1 tool", "13 tools" */
export function count(number: number, thing: string): string {
  return `${number} ${thing}${number === 1 ? '' : 's'}`;
}

/** "4 ms", "1.2 s" */
export function duration(ms: number): string {
  if (ms < 1) return '<1 ms';
  return ms < 1000 ? `${Math.round(ms)} ms` : `${(ms / 1000).toFixed(1)} s`;
}

/** "12:03:20", where the person is. @param at milliseconds since the epoch */
export function timeOfDay(at: number): string {
  return new Date(at).toLocaleTimeString('en-GB');
}

export function firstLine(text: string): string {
  return text.trim().split('\n', 1)[0] ?? '';
}

/** Text that Markdown shows as it is. */
export function escapeMarkdown(text: string): string {
  return text.replace(/[\\`*_{}[\]()#+!|<>~$&-]/g, '\\$&');
}

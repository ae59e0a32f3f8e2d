import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { TestContext } from 'node:test';

/** A file in which backends note what they were asked to do, so that a test knows what ran, and where. */
export class Ledger {
  readonly file: string;

  constructor(t: TestContext) {
    const folder = mkdtempSync(path.join(tmpdir(), 'switchyard-ledger-'));
    t.after(() => rmSync(folder, { recursive: true }));
    this.file = path.join(folder, 'ledger');
    writeFileSync(this.file, '');
  }

  /** In the order in which they were noted. */
  get entries(): { readonly label: string; readonly pid: number }[] {
    const lines = readFileSync(this.file, 'utf8').split('\n').slice(0, -1);
    return lines.map(line => {
      const [label = '', pid] = line.split(' ');
      return { label, pid: Number(pid) };
    });
  }
}

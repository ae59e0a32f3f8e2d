import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { parseEnvFile } from '../../../src/core/config/envFile.ts';

describe('parseEnvFile', () => {
  test('reads what shells and dotenv agree on', () => {
    const text = String.raw`# comment
A=1
 export B = two words   # comment
C='lit $A \n # '
D="esc \"q\" \n # $A" # comment
E=
F=a#b
G="two
lines"

URL=https://a.example/?x=1&y='2'
`;
    for (const written of [text, text.replaceAll('\n', '\r\n'), `\uFEFF${text.trimEnd()}`]) {
      const parsed = parseEnvFile(written);
      assert.deepEqual(parsed, {
        kind: 'read',
        variables: {
          A: '1',
          B: 'two words',
          C: 'lit $A \\n # ',
          D: 'esc "q" \n # $A',
          E: '',
          F: 'a#b',
          G: written.includes('\r') ? 'two\r\nlines' : 'two\nlines',
          URL: "https://a.example/?x=1&y='2'",
        },
      });
    }
  });

  test('tells the first line that is none', () => {
    const lines = ['just words', '1A=x', '=x', 'A="open', "A='open", 'A="a" b', 'A B=1'];
    for (const line of lines) assert.deepEqual(parseEnvFile(`OK=1\n\n${line}\nA=1`), { kind: 'bad', line: 3 }, line);
  });
});

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { LineReader, MAX_MESSAGE_BYTES } from '../../../src/core/base/lineReader.ts';

function reader() {
  const lines: string[] = [];
  return { lines, reader: new LineReader(line => lines.push(line.toString())) };
}

describe('LineReader', () => {
  it('gives the same lines wherever the pieces end, within a character too', () => {
    const text = 'é🚂\n\n{"a": "\u2028"}\r\nlast\nrest';
    const bytes = Buffer.from(text);
    for (let size = 1; size <= bytes.length; size++) {
      const { lines, reader: pieces } = reader();
      for (let at = 0; at < bytes.length; at += size) assert.ok(pieces.read(bytes.subarray(at, at + size)));
      assert.deepEqual(lines, text.split('\n').slice(0, -1), `in pieces of ${size}`);
    }
  });

  it('says that a line is too long, forgets it, and reads on', () => {
    const { lines, reader: long } = reader();
    const piece = Buffer.alloc(1024 ** 2, 'x');
    for (let taken = 0; taken < MAX_MESSAGE_BYTES; taken += piece.length) assert.ok(long.read(piece));
    assert.equal(long.read(Buffer.from('x')), false);
    assert.ok(long.read(Buffer.from('next\n')));
    assert.deepEqual(lines, ['next']);
  });
});

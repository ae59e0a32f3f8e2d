import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { inOrder, moveBackend, type Ranked } from '../../src/vscode/priorities.ts';

/** `backends('a:10 b:5 c@db:0')`, in the order of the file. */
function backends(text: string): Ranked[] {
  return text.split(' ').map(word => {
    const [left = '', priority] = word.split(':');
    const [name = '', namespace = name] = left.split('@');
    return { name, namespace, priority: Number(priority) };
  });
}

function moved(text: string, name: string, direction: 'front' | 'back') {
  const before = backends(text);
  const priorities = moveBackend(before, name, direction)?.priorities ?? new Map();
  const after = before.map(backend => ({ ...backend, priority: priorities.get(backend.name) ?? backend.priority }));
  const order = inOrder(after).map(backend => backend.name);
  return [order.join(' '), Object.fromEntries(priorities)];
}

describe('moveBackend', () => {
  it('raises with one edit of the backend itself where a number is free', () => {
    assert.deepEqual(moved('a:10 b:20', 'b', 'front'), ['b a', { b: 9 }]);
    assert.deepEqual(moved('b:20 a:10', 'b', 'front'), ['b a', { b: 10 }]);
    assert.deepEqual(moved('a:1 b:5 c:9', 'c', 'front'), ['a c b', { c: 4 }]);
  });

  it('lowers likewise', () => {
    assert.deepEqual(moved('a:10 b:20', 'a', 'back'), ['b a', { a: 21 }]);
    assert.deepEqual(moved('b:10 a:10', 'b', 'back'), ['a b', { b: 11 }]);
    assert.deepEqual(moved('b:10 a:5', 'a', 'back'), ['b a', { a: 10 }]);
  });

  it('moves others out of the way where no number is free', () => {
    assert.deepEqual(moved('a:0 b:0', 'b', 'front'), ['b a', { a: 1 }]);
    assert.deepEqual(moved('a:10 b:10 c:10', 'c', 'front'), ['a c b', { b: 11 }]);
    assert.deepEqual(moved('a:10 b:10 c:10 d:10 e:10', 'c', 'front'), ['a c b d e', { a: 9, c: 9 }]);
    assert.deepEqual(moved('c:1 a:1 b:2 d:2', 'a', 'back'), ['c b a d', { a: 2, b: 1 }]);
  });

  it('puts exactly one place further, whatever the numbers', () => {
    const numbers = [0, 0, 1, 1, 2, 3];
    for (const [p, q, r, s] of numbers.flatMap(p =>
      numbers.flatMap(q => numbers.flatMap(r => numbers.map(s => [p, q, r, s]))),
    )) {
      const text = `a:${p} b:${q} c:${r} d:${s}`;
      const order = inOrder(backends(text)).map(({ name }) => name);
      for (const [index, name] of order.entries()) {
        const before = order[index - 1];
        const after = order[index + 1];
        const raised = before === undefined ? order : order.with(index - 1, name).with(index, before);
        const lowered = after === undefined ? order : order.with(index + 1, name).with(index, after);
        assert.equal(moved(text, name, 'front')[0], raised.join(' '), `${name} of ${text} to the front`);
        assert.equal(moved(text, name, 'back')[0], lowered.join(' '), `${name} of ${text} to the back`);
      }
    }
  });

  it('passes a whole namespace where it is alone in its own', () => {
    assert.deepEqual(moved('a@db:5 b@db:9 x:10', 'x', 'front'), ['x a b', { x: 4 }]);
    assert.deepEqual(moved('a@db:5 y:7 b@db:9 x:10', 'x', 'front'), ['a x y b', { x: 6 }]);
    assert.deepEqual(moved('x:1 a@db:5 b@db:9 y:12', 'x', 'back'), ['a b x y', { x: 10 }]);
    assert.equal(moveBackend(backends('a@db:5 b@db:9 x:10'), 'x', 'front')?.past, 'db');
    assert.equal(moveBackend(backends('x:1 a@db:5 b@db:9'), 'x', 'back')?.past, 'db');
    assert.equal(moveBackend(backends('a@db:5 x:10'), 'x', 'front')?.past, 'a');
  });

  it('stays among the replicas of the namespace where there are any', () => {
    assert.deepEqual(moveBackend(backends('x:1 a@db:5 b@db:9'), 'b', 'front')?.past, 'a');
    assert.equal(moveBackend(backends('x:1 a@db:5 b@db:9'), 'a', 'front'), undefined);
    assert.equal(moveBackend(backends('x:1 a:5'), 'a', 'front')?.past, 'x');
  });
});

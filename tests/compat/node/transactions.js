/** multi: all or nothing, and what each operation is answered. */
'use strict';

const assert = require('node:assert');
const { CreateMode, Exception } = require('node-zookeeper-client');

const x = Buffer.from('x');

module.exports = {
  async 'transaction-success'(scene) {
    const client = await scene.rooted();
    await client.create(`${scene.root}/old`);
    const { error, results } = await client.transaction((t) =>
      t
        .create(`${scene.root}/new`, x)
        .setData(`${scene.root}/new`, Buffer.from('y'))
        .check(`${scene.root}/new`, 1)
        .create(`${scene.root}/s-`, x, CreateMode.EPHEMERAL_SEQUENTIAL)
        .remove(`${scene.root}/old`),
    );
    assert.ifError(error);
    assert.strictEqual(results.length, 5);
    assert.strictEqual(results[0].path, `${scene.root}/new`);
    assert.strictEqual(results[1].stat.version, 1);
    assert.strictEqual(results[3].path, `${scene.root}/s-0000000002`);
    assert.deepStrictEqual(await client.children(scene.root), ['new', 's-0000000002']);
    assert.strictEqual((await client.data(`${scene.root}/new`)).toString(), 'y');
  },

  async 'transaction-failure-changes-nothing'(scene) {
    const client = await scene.rooted();
    const events = [];
    await client.getChildren(scene.root, (event) => events.push(event));
    const { error, results } = await client.transaction((t) =>
      t
        .create(`${scene.root}/a`, x)
        .remove(`${scene.root}/missing`)
        .create(`${scene.root}/b`, x),
    );
    assert.strictEqual(error.getCode(), Exception.NO_NODE);
    assert.deepStrictEqual(
      results.map((result) => [result.type, result.err]),
      [[-1, 0], [-1, Exception.NO_NODE], [-1, Exception.RUNTIME_INCONSISTENCY]],
    );
    assert.deepStrictEqual(await client.children(scene.root), []);
    assert.deepStrictEqual(events, []);
  },

  async 'transaction-failures-by-kind'(scene) {
    const client = await scene.rooted();
    await client.create(`${scene.root}/a`);
    for (const [name, fill] of [
      ['BAD_VERSION', (t) => t.check(scene.root, 5)],
      ['NO_NODE', (t) => t.check(`${scene.root}/missing`)],
      ['NODE_EXISTS', (t) => t.create(scene.root, x)],
      ['BAD_VERSION', (t) => t.setData(scene.root, x, 5)],
      ['NOT_EMPTY', (t) => t.remove(scene.root)],
    ]) {
      const { error } = await client.transaction(fill);
      assert.ok(error, `expected ${name}`);
      assert.strictEqual(error.name, name);
    }
  },

  async 'transaction-sees-its-own-earlier-operations'(scene) {
    const client = await scene.rooted();
    await client.create(`${scene.root}/a`, Buffer.from('old'));
    const { error } = await client.transaction((t) =>
      t
        .remove(`${scene.root}/a`)
        .create(`${scene.root}/a`, Buffer.from('new'))
        .create(`${scene.root}/a/b`, x),
    );
    assert.ifError(error);
    assert.strictEqual((await client.data(`${scene.root}/a`)).toString(), 'new');
  },

  async 'transaction-of-many-operations'(scene) {
    const client = await scene.rooted();
    const { error, results } = await client.transaction((t) => {
      for (let n = 0; n < 500; n += 1) t.create(`${scene.root}/${n}`, x);
    });
    assert.ifError(error);
    assert.strictEqual(results.length, 500);
    assert.strictEqual((await client.children(scene.root)).length, 500);
  },
};

/** One-shot watches. */
'use strict';

const assert = require('node:assert');
const { CreateMode } = require('node-zookeeper-client');

const { eventually, rejects } = require('./harness');

/** A watcher that collects what it is told. */
function collector() {
  const events = [];
  return { events, watcher: (event) => events.push(`${event.name} ${event.path}`) };
}

module.exports = {
  async 'watch-of-exists'(scene) {
    const client = await scene.rooted();
    const writer = await scene.client();
    const path = `${scene.root}/a`;
    const { events, watcher } = collector();
    await client.exists(path, watcher);
    await writer.create(path);
    await eventually('created', () => events.length === 1);
    await client.exists(path, watcher);
    await writer.setData(path, Buffer.from('x'));
    await eventually('changed', () => events.length === 2);
    // The client keeps a watch of exists that was told of a deletion for itself: getData's it is.
    await client.getData(path, watcher);
    await writer.remove(path);
    await eventually('deleted', () => events.length === 3);
    assert.deepStrictEqual(
      events,
      ['NODE_CREATED', 'NODE_DATA_CHANGED', 'NODE_DELETED'].map((name) => `${name} ${path}`),
    );
  },

  async 'watch-of-get-is-one-shot'(scene) {
    const client = await scene.rooted();
    const { events, watcher } = collector();
    await client.getData(scene.root, watcher);
    await client.setData(scene.root, Buffer.from('1'));
    await client.setData(scene.root, Buffer.from('2'));
    assert.deepStrictEqual(events, [`NODE_DATA_CHANGED ${scene.root}`]);
  },

  async 'watch-of-get-on-a-missing-znode-is-none'(scene) {
    const client = await scene.rooted();
    const { events, watcher } = collector();
    await rejects('NO_NODE', client.getData(`${scene.root}/a`, watcher));
    await client.create(`${scene.root}/a`);
    assert.deepStrictEqual(events, []);
  },

  async 'watch-of-children'(scene) {
    const client = await scene.rooted();
    const writer = await scene.client();
    const { events, watcher } = collector();
    const path = `${scene.root}/a`;
    for (const change of [
      () => writer.create(path),
      () => writer.remove(path),
      () => writer.remove(scene.root),
    ]) {
      const before = events.length;
      await client.getChildren(scene.root, watcher);
      await change();
      await eventually('an event', () => events.length === before + 1);
    }
    assert.deepStrictEqual(
      events,
      ['NODE_CHILDREN_CHANGED', 'NODE_CHILDREN_CHANGED', 'NODE_DELETED'].map(
        (name) => `${name} ${scene.root}`,
      ),
    );
  },

  async 'own-event-comes-before-the-reply'(scene) {
    const client = await scene.rooted();
    for (let round = 1; round <= 20; round += 1) {
      const { events, watcher } = collector();
      await client.getData(scene.root, watcher);
      let seen = -1;
      await new Promise((resolve, reject) => {
        client.raw.setData(scene.root, Buffer.from('x'), (error) => {
          seen = events.length;
          if (error) reject(error);
          else resolve();
        });
      });
      assert.strictEqual(seen, 1, `events before the reply of round ${round}`);
    }
  },

  async 'watch-fires-for-an-ephemeral-of-a-closed-session'(scene) {
    const client = await scene.rooted();
    const owner = await scene.client();
    const path = `${scene.root}/e`;
    await owner.create(path, CreateMode.EPHEMERAL);
    const { events, watcher } = collector();
    await client.getData(path, watcher);
    await client.getChildren(scene.root, watcher);
    await owner.close();
    await eventually('both events', () => events.length === 2);
    assert.deepStrictEqual(
      events.sort(),
      [`NODE_CHILDREN_CHANGED ${scene.root}`, `NODE_DELETED ${path}`],
    );
  },

  async 'watches-of-many-clients'(scene) {
    const writer = await scene.rooted();
    const { events, watcher } = collector();
    for (let n = 0; n < 10; n += 1) await (await scene.client()).getData(scene.root, watcher);
    await writer.setData(scene.root, Buffer.from('x'));
    await eventually('an event for each', () => events.length === 10);
  },
};

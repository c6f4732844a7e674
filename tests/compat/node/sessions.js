/** Sessions over lost links and dead servers: kept, moved, refused, expired. */
'use strict';

const assert = require('node:assert');
const { ACL, CreateMode } = require('node-zookeeper-client');

const { eventually, rejects } = require('./harness');

/** What a client keeps while the server goes down and comes back. */
async function survives(scene, down) {
  const client = await scene.rooted({}, await scene.control.addressOverRestarts());
  client.raw.addAuthInfo('digest', Buffer.from('ann:pw'));
  await client.create(`${scene.root}/secret`, ACL.CREATOR_ALL_ACL);
  await client.create(`${scene.root}/e`, CreateMode.EPHEMERAL);
  const session = client.sessionId;
  const events = [];
  const watcher = (event) => events.push(`${event.name} ${event.path}`);
  await client.getData(scene.root, watcher);
  await client.getChildren(scene.root, watcher);
  await client.exists(`${scene.root}/new`, watcher);

  await down();
  await client.disconnected();
  await scene.control.start();
  await client.connected();
  assert.strictEqual(client.sessionId, session);
  assert.deepStrictEqual(client.states, ['SYNC_CONNECTED', 'DISCONNECTED', 'SYNC_CONNECTED']);
  const { ephemeralOwner } = await client.exists(`${scene.root}/e`);
  assert.strictEqual(ephemeralOwner.toString('hex'), session);
  await client.getData(`${scene.root}/secret`);

  const writer = await scene.client();
  await writer.setData(scene.root, Buffer.from('x'));
  await writer.create(`${scene.root}/new`);
  await eventually('all three events', () => events.length === 3);
  assert.deepStrictEqual(events.sort(), [
    `NODE_CHILDREN_CHANGED ${scene.root}`,
    `NODE_CREATED ${scene.root}/new`,
    `NODE_DATA_CHANGED ${scene.root}`,
  ]);
}

module.exports = {
  async 'session-survives-kill-of-the-server'(scene) {
    await survives(scene, () => scene.control.kill());
  },

  async 'session-survives-stop-of-the-server'(scene) {
    await survives(scene, () => scene.control.stop());
  },

  async 'acknowledged-writes-survive-kill-of-the-server'(scene) {
    const client = await scene.rooted();
    const names = Array.from({ length: 200 }, (_, n) => `n${String(n).padStart(3, '0')}`);
    await Promise.all(names.map((name) => client.create(`${scene.root}/${name}`)));
    await scene.control.kill();
    await scene.control.start();
    assert.deepStrictEqual(await (await scene.client()).children(scene.root), names);
  },

  async 'session-survives-a-lost-link'(scene) {
    const link = await scene.link();
    const client = await scene.client({}, link.address);
    const session = client.sessionId;
    await client.create(scene.root, CreateMode.EPHEMERAL);
    link.cut();
    await client.disconnected();
    link.mend();
    await client.connected();
    assert.strictEqual(client.sessionId, session);
    assert.ok(await client.exists(scene.root));
  },

  async 'watches-see-what-happened-while-away'(scene) {
    const link = await scene.link();
    const client = await scene.rooted({}, link.address);
    const writer = await scene.client();
    for (const name of ['changed', 'deleted', 'parent', 'same']) {
      await writer.create(`${scene.root}/${name}`);
    }
    const events = [];
    const watcher = (event) => events.push(`${event.name} ${event.path.slice(scene.root.length)}`);
    for (const name of ['changed', 'deleted', 'same']) {
      await client.getData(`${scene.root}/${name}`, watcher);
    }
    await client.getChildren(`${scene.root}/parent`, watcher);
    await client.exists(`${scene.root}/created`, watcher);
    link.cut();
    await client.disconnected();
    await writer.setData(`${scene.root}/changed`, Buffer.from('x'));
    await writer.remove(`${scene.root}/deleted`);
    await writer.create(`${scene.root}/parent/child`);
    await writer.create(`${scene.root}/created`);
    link.mend();
    await eventually('four events', () => events.length === 4);
    assert.deepStrictEqual(events.sort(), [
      'NODE_CHILDREN_CHANGED /parent',
      'NODE_CREATED /created',
      'NODE_DATA_CHANGED /changed',
      'NODE_DELETED /deleted',
    ]);
    await writer.setData(`${scene.root}/same`, Buffer.from('x'));
    await eventually('the untouched watch is armed', () => events.length === 5);
  },

  async 'session-expires'(scene) {
    const link = await scene.link();
    const observer = await scene.rooted();
    const client = await scene.client({ sessionTimeout: 1000 }, link.address);
    await client.create(`${scene.root}/e`, CreateMode.EPHEMERAL);
    const events = [];
    await observer.getData(`${scene.root}/e`, (event) => events.push(event.name));
    link.cut();
    await eventually('the ephemeral is deleted', () => events[0] === 'NODE_DELETED');
    link.mend();
    await eventually('told', () => client.states.includes('EXPIRED'));
    await eventually('closed', () => client.states[client.states.length - 1] === 'DISCONNECTED');
    await rejects('CONNECTION_LOSS', client.exists('/'));
  },

  async 'idle-session-lives-by-its-pings'(scene) {
    const observer = await scene.rooted();
    const idle = await scene.client({ sessionTimeout: 1000 });
    await idle.create(`${scene.root}/e`, CreateMode.EPHEMERAL);
    const began = Date.now();
    await eventually('four time-outs pass', () => Date.now() - began > 4000);
    assert.ok(await observer.exists(`${scene.root}/e`));
    assert.deepStrictEqual(idle.states, ['SYNC_CONNECTED']);
  },

  async 'session-is-taken-over-by-its-id-and-password'(scene) {
    const link = await scene.link();
    const first = await scene.client({}, link.address);
    await first.create(scene.root, CreateMode.EPHEMERAL);
    link.cut();
    const second = await scene.client({
      sessionId: first.raw.getSessionId(),
      sessionPassword: first.raw.getSessionPassword(),
    });
    assert.strictEqual(second.sessionId, first.sessionId);
    await second.close();
    assert.strictEqual(await (await scene.client()).exists(scene.root), null);
  },

  async 'many-clients-at-once'(scene) {
    const observer = await scene.rooted();
    const clients = await Promise.all(Array.from({ length: 50 }, () => scene.client()));
    assert.strictEqual(new Set(clients.map((client) => client.sessionId)).size, 50);
    await Promise.all(
      clients.map((client) => client.create(`${scene.root}/e-`, CreateMode.EPHEMERAL_SEQUENTIAL)),
    );
    assert.strictEqual((await observer.children(scene.root)).length, 50);
  },
};

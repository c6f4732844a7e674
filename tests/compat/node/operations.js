/** Znodes: create, read, write, delete, and the errors of each. */
'use strict';

const assert = require('node:assert');
const { CreateMode, ACL, Id, Permission } = require('node-zookeeper-client');

const { CONNECT } = require('./control');
const { eventually, rejects } = require('./harness');

module.exports = {
  async 'connect-and-close'(scene) {
    const client = await scene.client();
    assert.notStrictEqual(client.sessionId, '0000000000000000');
    assert.strictEqual(client.raw.getSessionPassword().length, 16);
    await client.close();
    assert.deepStrictEqual(client.states, ['SYNC_CONNECTED', 'DISCONNECTED']);
    await rejects('CONNECTION_LOSS', client.exists('/'));
  },

  async 'first-request-has-xid-zero'(scene) {
    const client = await scene.client();
    assert.strictEqual(client.raw.connectionManager.xid, 0);
    assert.ok(await client.exists('/'));
  },

  async 'session-time-out-is-negotiated'(scene) {
    for (const [asked, got] of [[100, 1000], [7000, 7000], [1_000_000, 60_000]]) {
      const client = await scene.client({ sessionTimeout: asked });
      assert.strictEqual(client.raw.getSessionTimeout(), got);
    }
  },

  async 'create-get-set-remove'(scene) {
    const client = await scene.rooted();
    const path = `${scene.root}/a`;
    assert.strictEqual(await client.create(path, Buffer.from('one')), path);
    const [data, stat] = await client.getData(path);
    assert.strictEqual(data.toString(), 'one');
    assert.strictEqual(stat.version, 0);
    assert.strictEqual((await client.setData(path, Buffer.from('two'), 0)).version, 1);
    assert.strictEqual((await client.data(path)).toString(), 'two');
    await client.remove(path, 1);
    assert.strictEqual(await client.exists(path), null);
  },

  async 'stat-of-a-znode-and-its-parent'(scene) {
    const client = await scene.rooted();
    const path = `${scene.root}/a`;
    await client.create(path, Buffer.from('1234'));
    const born = await client.exists(path);
    assert.deepStrictEqual(born.czxid, born.mzxid);
    assert.deepStrictEqual(born.czxid, born.pzxid);
    assert.deepStrictEqual(born.ctime, born.mtime);
    assert.deepStrictEqual([born.version, born.cversion, born.aversion], [0, 0, 0]);
    assert.deepStrictEqual([born.dataLength, born.numChildren], [4, 0]);
    const parent = await client.exists(scene.root);
    assert.deepStrictEqual(parent.pzxid, born.czxid);
    assert.deepStrictEqual([parent.cversion, parent.numChildren], [1, 1]);
    await client.remove(path);
    const after = await client.exists(scene.root);
    assert.deepStrictEqual([after.cversion, after.numChildren], [2, 0]);
    assert.ok(after.pzxid.compare(parent.pzxid) > 0, 'pzxid grows');
  },

  async 'data-none-empty-and-binary'(scene) {
    const client = await scene.rooted();
    await client.create(`${scene.root}/none`);
    await client.create(`${scene.root}/empty`, Buffer.alloc(0));
    const bytes = Buffer.from(Array.from({ length: 256 }, (_, n) => n));
    await client.create(`${scene.root}/bytes`, bytes);
    assert.strictEqual(await client.data(`${scene.root}/none`), undefined);
    assert.deepStrictEqual(await client.data(`${scene.root}/empty`), Buffer.alloc(0));
    assert.deepStrictEqual(await client.data(`${scene.root}/bytes`), bytes);
  },

  async 'data-close-to-the-limit'(scene) {
    const client = await scene.rooted();
    const data = Buffer.alloc(1_000_000, 'xyz');
    await client.create(`${scene.root}/big`, data);
    assert.ok((await client.data(`${scene.root}/big`)).equals(data));
  },

  async 'children-with-stat'(scene) {
    const client = await scene.rooted();
    for (const name of ['c', 'a', 'b']) await client.create(`${scene.root}/${name}`);
    const [names, stat] = await client.getChildren(scene.root);
    assert.deepStrictEqual(names.sort(), ['a', 'b', 'c']);
    assert.strictEqual(stat.numChildren, 3);
  },

  async 'unicode-paths'(scene) {
    const client = await scene.rooted();
    const names = ['žluťoučký kůň', '服务提供者', 'a%2Fb?c=d&e'];
    for (const name of names) {
      const path = `${scene.root}/${name}`;
      assert.strictEqual(await client.create(path, Buffer.from(name)), path);
      assert.strictEqual((await client.data(path)).toString(), name);
    }
    assert.deepStrictEqual(await client.children(scene.root), names.sort());
  },

  async 'create-modes'(scene) {
    const client = await scene.rooted();
    const create = (mode) => client.create(`${scene.root}/s-`, Buffer.from('x'), mode);
    assert.strictEqual(await create(CreateMode.PERSISTENT), `${scene.root}/s-`);
    assert.strictEqual(await create(CreateMode.PERSISTENT_SEQUENTIAL), `${scene.root}/s-0000000001`);
    assert.strictEqual(await create(CreateMode.EPHEMERAL_SEQUENTIAL), `${scene.root}/s-0000000002`);
    const { ephemeralOwner } = await client.exists(`${scene.root}/s-0000000002`);
    assert.strictEqual(ephemeralOwner.toString('hex'), client.sessionId);
  },

  async 'ephemeral-ends-with-its-session'(scene) {
    const client = await scene.rooted();
    const owner = await scene.client();
    await owner.create(`${scene.root}/e`, CreateMode.EPHEMERAL);
    await rejects('NO_CHILDREN_FOR_EPHEMERALS', client.create(`${scene.root}/e/child`));
    await owner.close();
    await eventually('removed', async () => !(await client.exists(`${scene.root}/e`)));
  },

  async 'mkdirp'(scene) {
    const client = await scene.client();
    const deep = `${scene.root}/a/b/c/d`;
    assert.strictEqual(await client.mkdirp(deep, Buffer.from('x')), deep);
    assert.ok(await client.exists(deep));
    assert.strictEqual(await client.mkdirp(deep), deep);
  },

  async 'subtree-listed-and-removed'(scene) {
    const client = await scene.rooted();
    // One level only: the client itself does not look deeper.
    for (const name of ['a', 'b']) await client.create(`${scene.root}/${name}`);
    assert.deepStrictEqual(
      (await client.listSubTreeBFS(scene.root)).sort(),
      ['', '/a', '/b'].map((name) => scene.root + name),
    );
    await client.removeRecursive(scene.root);
    assert.strictEqual(await client.exists(scene.root), null);
  },

  async 'pipelined-requests-keep-their-order'(scene) {
    const client = await scene.rooted();
    const pending = [];
    for (let n = 0; n < 300; n += 1) {
      pending.push(client.setData(scene.root, Buffer.from(String(n))));
      pending.push(client.data(scene.root));
    }
    const results = await Promise.all(pending);
    for (let n = 0; n < 300; n += 1) {
      assert.strictEqual(results[2 * n].version, n + 1);
      assert.strictEqual(results[2 * n + 1].toString(), String(n));
    }
  },

  async 'requests-before-the-session-are-kept'(scene) {
    const client = scene.unconnected();
    const created = client.create(scene.root);
    const exists = client.exists(scene.root);
    client.raw.connect();
    assert.strictEqual(await created, scene.root);
    assert.ok(await exists);
  },

  async 'chroot'(scene) {
    const outside = await scene.rooted();
    const inside = await scene.client({}, CONNECT + scene.root);
    assert.strictEqual(await inside.create('/a', Buffer.from('x')), '/a');
    assert.strictEqual((await outside.data(`${scene.root}/a`)).toString(), 'x');
    const events = [];
    await inside.getData('/a', (event) => events.push(event.path));
    await outside.setData(`${scene.root}/a`, Buffer.from('y'));
    await eventually('an event', () => events.length === 1);
    assert.deepStrictEqual(events, ['/a']);
  },

  async 'error-no-node'(scene) {
    const client = await scene.rooted();
    const missing = `${scene.root}/missing`;
    await rejects('NO_NODE', client.getData(missing));
    await rejects('NO_NODE', client.getChildren(missing));
    await rejects('NO_NODE', client.setData(missing, Buffer.alloc(0)));
    await rejects('NO_NODE', client.remove(missing));
    await rejects('NO_NODE', client.getACL(missing));
    await rejects('NO_NODE', client.create(`${missing}/child`));
  },

  async 'error-node-exists-bad-version-not-empty'(scene) {
    const client = await scene.rooted();
    await client.create(`${scene.root}/child`);
    await rejects('NODE_EXISTS', client.create(scene.root));
    await rejects('BAD_VERSION', client.setData(scene.root, Buffer.alloc(0), 7));
    await rejects('BAD_VERSION', client.remove(scene.root, 7));
    await rejects('BAD_VERSION', client.setACL(scene.root, ACL.OPEN_ACL_UNSAFE, 7));
    await rejects('NOT_EMPTY', client.remove(scene.root));
  },

  async 'error-bad-arguments-and-invalid-acl'(scene) {
    const client = await scene.rooted();
    await rejects('BAD_ARGUMENTS', client.remove('/zookeeper'));
    const acl = [new ACL(Permission.ALL, new Id('nonsense', 'x'))];
    await rejects('INVALID_ACL', client.create(`${scene.root}/a`, acl));
    await rejects('INVALID_ACL', client.create(`${scene.root}/a`, ACL.CREATOR_ALL_ACL));
  },
};

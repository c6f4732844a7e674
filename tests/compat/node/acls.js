/** Who may do what. */
'use strict';

const assert = require('node:assert');
const { createHash } = require('node:crypto');
const { ACL, Id, Permission } = require('node-zookeeper-client');

const { eventually, rejects } = require('./harness');

const digest = (credentials) =>
  `${credentials.split(':')[0]}:${createHash('sha1').update(credentials).digest('base64')}`;
const plain = (acls) => acls.map(({ permission, id }) => [permission, id.scheme, id.id]);

module.exports = {
  async 'acl-get-and-set'(scene) {
    const client = await scene.rooted();
    const [before, { aversion }] = await client.getACL(scene.root);
    assert.deepStrictEqual(plain(before), [[31, 'world', 'anyone']]);
    assert.strictEqual(aversion, 0);
    const readers = [new ACL(Permission.READ, Id.ANYONE_ID_UNSAFE)];
    assert.strictEqual((await client.setACL(scene.root, readers, 0)).aversion, 1);
    await rejects('NO_AUTH', client.setData(scene.root, Buffer.alloc(0)));
    await rejects('NO_AUTH', client.create(`${scene.root}/a`));
    await rejects('NO_AUTH', client.setACL(scene.root, ACL.OPEN_ACL_UNSAFE));
    await client.getData(scene.root);
  },

  async 'acl-digest'(scene) {
    const owner = await scene.client();
    const other = await scene.client();
    const acl = [new ACL(Permission.ALL, new Id('digest', digest('ann:pw')))];
    await owner.create(scene.root, Buffer.from('secret'), acl);
    await rejects('NO_AUTH', other.getData(scene.root));
    other.raw.addAuthInfo('digest', Buffer.from('ann:wrong'));
    await rejects('NO_AUTH', other.getData(scene.root));
    other.raw.addAuthInfo('digest', Buffer.from('ann:pw'));
    assert.strictEqual((await other.data(scene.root)).toString(), 'secret');
    assert.deepStrictEqual(plain((await other.getACL(scene.root))[0]), [
      [31, 'digest', digest('ann:pw')],
    ]);
  },

  async 'acl-of-the-creator'(scene) {
    const client = await scene.client();
    client.raw.addAuthInfo('digest', Buffer.from('ann:pw'));
    await client.create(scene.root, ACL.CREATOR_ALL_ACL);
    assert.deepStrictEqual(plain((await client.getACL(scene.root))[0]), [
      [31, 'digest', digest('ann:pw')],
    ]);
    await rejects('NO_AUTH', (await scene.client()).getData(scene.root));
  },

  async 'super-passes-everywhere'(scene) {
    const client = await scene.client();
    const acl = [new ACL(Permission.READ, new Id('digest', digest('ann:pw')))];
    await client.create(scene.root, acl);
    client.raw.addAuthInfo('digest', Buffer.from('super:secret'));
    await client.setData(scene.root, Buffer.from('x'));
  },

  async 'unknown-auth-scheme-fails'(scene) {
    const client = await scene.client();
    client.raw.addAuthInfo('nonsense', Buffer.from('x'));
    await eventually('told', () => client.states.includes('AUTH_FAILED'));
  },
};

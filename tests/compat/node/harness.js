/**
 * Runs cases one after the other, each bounded by its own time-out, and prints the result lines.
 * A case is an async function of a `Scene`. Not here: what a case checks.
 */
'use strict';

const assert = require('node:assert');
const zookeeper = require('node-zookeeper-client');

const { CONNECT, Control, Link } = require('./control');

const CASE_MS = 30_000;
const WAIT_MS = 10_000;

/** Waits until `condition` gives a true value. */
async function eventually(what, condition) {
  const deadline = Date.now() + WAIT_MS;
  for (;;) {
    const value = await condition();
    if (value) return value;
    if (Date.now() > deadline) throw new Error(`not within ${WAIT_MS} ms: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

/** Asserts that the promise is rejected with ZooKeeper's code of that name. */
async function rejects(name, promise) {
  let value;
  try {
    value = await promise;
  } catch (error) {
    assert.strictEqual(error.name, name, `expected ${name}, got ${error}`);
    return;
  }
  assert.fail(`expected ${name}, got ${JSON.stringify(value)}`);
}

/** A client whose calls are promises, and that remembers its states. */
class Client {
  constructor(address, options) {
    this.raw = zookeeper.createClient(address, { spinDelay: 50, ...options });
    this.states = [];
    this.raw.on('state', (state) => this.states.push(state.name));
    for (const method of [
      'create', 'mkdirp', 'remove', 'removeRecursive', 'setData', 'setACL', 'listSubTreeBFS',
    ]) {
      this[method] = (...args) => this.call(method, args).then(([first]) => first);
    }
    for (const method of ['getData', 'getChildren', 'getACL']) {
      this[method] = (...args) => this.call(method, args);
    }
  }

  call(method, args) {
    return new Promise((resolve, reject) => {
      this.raw[method](...args, (error, ...values) => (error ? reject(error) : resolve(values)));
    });
  }

  /** The Stat of a znode, or null. */
  exists(...args) {
    return this.call('exists', args).then(([stat]) => stat || null);
  }

  /** The data alone. */
  data(path) {
    return this.getData(path).then(([data]) => data);
  }

  /** The sorted names alone. */
  children(path) {
    return this.getChildren(path).then(([names]) => names.sort());
  }

  /** Commits a transaction filled by `fill`: its error, if any, and its results. */
  transaction(fill) {
    const transaction = this.raw.transaction();
    fill(transaction);
    return new Promise((resolve) => {
      transaction.commit((error, results) => resolve({ error, results }));
    });
  }

  get sessionId() {
    return this.raw.getSessionId().toString('hex');
  }

  get isConnected() {
    return this.raw.getState() === zookeeper.State.SYNC_CONNECTED;
  }

  connected() {
    return eventually('connected', () => this.isConnected);
  }

  disconnected() {
    return eventually('disconnected', () => !this.isConnected);
  }

  /** Ends the session, and waits until the connection is gone. */
  async close() {
    this.raw.close();
    await this.disconnected();
  }
}

/** What one case works with: a root znode of its own, clients, links, and the server's control. */
class Scene {
  constructor(name) {
    this.root = `/node-${name}-${process.pid}`;
    this.control = new Control();
    this.clients = [];
    this.links = [];
  }

  /** A client that has not been told to connect. */
  unconnected(options = {}, address = CONNECT) {
    const client = new Client(address, options);
    this.clients.push(client);
    return client;
  }

  /** A connected client. */
  async client(options, address) {
    const client = this.unconnected(options, address);
    client.raw.connect();
    await client.connected();
    return client;
  }

  /** A connected client that has made the case's root znode. */
  async rooted(options, address) {
    const client = await this.client(options, address);
    await client.create(this.root);
    return client;
  }

  /** A network of its own for a client. */
  async link() {
    const link = await Link.open();
    this.links.push(link);
    return link;
  }

  async end() {
    await this.control.heal();
    for (const client of this.clients) client.raw.close();
    await Promise.all(
      this.clients.map((client) => client.disconnected().catch((error) => console.error(error))),
    );
    for (const link of this.links) link.close();
    this.control.close();
  }
}

async function outcome(name, run) {
  const scene = new Scene(name);
  let failed;
  const thrown = new Promise((_, reject) => {
    failed = reject;
  });
  // What the client throws outside of any promise belongs to the case that is running.
  process.on('uncaughtException', failed);
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`still running after ${CASE_MS} ms`)), CASE_MS);
  });
  try {
    await Promise.race([run(scene), thrown, late]);
    return `ok ${name}`;
  } catch (error) {
    console.error(error);
    return `not ok ${name} # ${String(error.message || error).split(/\s+/).join(' ')}`;
  } finally {
    clearTimeout(timer);
    await Promise.race([scene.end(), new Promise((resolve) => setTimeout(resolve, WAIT_MS))]);
    process.off('uncaughtException', failed);
  }
}

/** Runs the cases in order; `only` names the ones to run, all when empty. */
async function runAll(cases, only) {
  for (const [name, run] of Object.entries(cases)) {
    if (only.length === 0 || only.includes(name)) console.log(await outcome(name, run));
  }
}

module.exports = { eventually, rejects, runAll };

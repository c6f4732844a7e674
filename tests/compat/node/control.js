/**
 * The server under test as seen from outside: where it is, how to kill it, how to cut a link to it.
 */
'use strict';

const net = require('node:net');
const { once } = require('node:events');

const CONNECT = process.env.TK_CONNECT;

function hostAndPort(address) {
  const colon = address.lastIndexOf(':');
  return { host: address.slice(0, colon), port: Number(address.slice(colon + 1)) };
}

/** Commands to the runner that owns the server process. */
class Control {
  constructor() {
    this.isUp = true;
    this.shelter = null;
  }

  /**
   * Where clients connect that are to see the server go down and come back.
   *
   * Apache ZooKeeper never answers and never closes a connection that it accepts while it starts:
   * NIOServerCnxn.close fails there, as there is no database yet. This client has no read time-out
   * and waits for ever. So its clients are kept out until it serves; treekeeper's may come at any
   * moment.
   */
  async addressOverRestarts() {
    if (process.env.TK_SERVER !== 'zookeeper') return CONNECT;
    this.shelter = this.shelter || (await Link.open());
    return this.shelter.address;
  }

  /** SIGKILL. */
  async kill() {
    await this.down('kill');
  }

  /** SIGTERM, and waits for the process to end. */
  async stop() {
    await this.down('stop');
  }

  /** Starts the server again on the same port and data; resolves once it serves. */
  async start() {
    await this.command('start');
    this.isUp = true;
    if (this.shelter) this.shelter.mend();
  }

  /** Leaves the server running, whatever was done to it. */
  async heal() {
    if (!this.isUp) await this.start();
  }

  close() {
    if (this.shelter) this.shelter.close();
  }

  async down(word) {
    await this.command(word);
    this.isUp = false;
    if (this.shelter) this.shelter.cut();
  }

  async command(word) {
    const socket = net.connect(hostAndPort(process.env.TK_CONTROL));
    socket.setEncoding('utf8');
    socket.write(`${word}\n`);
    let answer = '';
    while (!answer.includes('\n')) answer += (await once(socket, 'data'))[0];
    socket.destroy();
    if (answer.trim() !== 'done') throw new Error(`control ${word}: ${answer.trim()}`);
  }
}

/** A TCP forwarder to the server that can be cut and mended: a client's network. */
class Link {
  static async open() {
    const link = new Link();
    link.server.listen(0, '127.0.0.1');
    await once(link.server, 'listening');
    link.address = `127.0.0.1:${link.server.address().port}`;
    return link;
  }

  constructor() {
    this.isCut = false;
    this.sockets = new Set();
    this.server = net.createServer((near) => this.forward(near));
  }

  forward(near) {
    if (this.isCut) {
      near.destroy();
      return;
    }
    const far = net.connect(hostAndPort(CONNECT));
    for (const [one, other] of [[near, far], [far, near]]) {
      this.sockets.add(one);
      one.setNoDelay();
      one.on('error', () => {}); // The close that follows is what counts.
      one.on('close', () => {
        this.sockets.delete(one);
        other.destroy();
      });
      one.pipe(other);
    }
  }

  /** Closes every connection and refuses new ones until `mend`. */
  cut() {
    this.isCut = true;
    for (const socket of this.sockets) socket.destroy();
  }

  /** Lets connections through again. */
  mend() {
    this.isCut = false;
  }

  close() {
    this.cut();
    this.server.close();
  }
}

module.exports = { CONNECT, Control, Link };

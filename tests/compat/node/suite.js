/**
 * The Node suite: every case against the server at TK_CONNECT, one result line each on stdout.
 * Names given as arguments choose cases; without any, all run.
 */
'use strict';

const { runAll } = require('./harness');

const cases = {
  ...require('./operations'),
  ...require('./watches'),
  ...require('./acls'),
  ...require('./transactions'),
  ...require('./sessions'),
};

runAll(cases, process.argv.slice(2)).then(
  // Clients of a case that timed out may still hold sockets and timers.
  () => process.exit(0),
  (error) => {
    console.error(error);
    process.exit(1);
  },
);

// SPDX-License-Identifier: MIT OR BSD-3-Clause
// s3rver_run.js COMMAND ARGUMENT...: runs the command with an s3rver on a free port; ORBIT_S3_ENDPOINT tells it where.
'use strict';

const { spawn } = require('node:child_process');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');

const S3rver = require('s3rver');

const directory = fs.mkdtempSync(path.join(os.tmpdir(), 'orbit-s3rver-'));
const configureBuckets = [{ name: 'bucket' }];
const server = new S3rver({ port: 0, address: '127.0.0.1', silent: true, directory, configureBuckets });
server.run().then((address) => {
  const environment = {
    ...process.env,
    ORBIT_S3_ENDPOINT: `http://127.0.0.1:${address.port}`,
    AWS_ACCESS_KEY_ID: 'S3RVER',
    AWS_SECRET_ACCESS_KEY: 'S3RVER',
  };
  const command = spawn(process.argv[2], process.argv.slice(3), { env: environment, stdio: 'inherit' });
  command.once('exit', async (status) => {
    await server.close().catch(() => {});
    fs.rmSync(directory, { recursive: true, force: true });
    process.exit(status ?? 1);
  });
});

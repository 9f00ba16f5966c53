// SPDX-License-Identifier: MIT OR BSD-3-Clause
// Starts an orbitd with the Redis wire on a free port; resolves when it is ready.
'use strict';
const { spawn } = require('node:child_process');
const { once } = require('node:events');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const readline = require('node:readline');

async function startNode(respConfig = '') {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'orbit-resp-node-'));
  const ready = path.join(folder, 'ready.json');
  fs.writeFileSync(path.join(folder, 'node.toml'), `
[node]
workers = 2
data_dir = "${folder}/data"
[[plugin]]
name = "store"
id = "orbit.storage.memory"
path = "${process.env.ORBIT_MEMORY_PLUGIN}"
[[plugin]]
name = "redis"
id = "orbit.protocol.resp"
path = "${process.env.ORBIT_RESP_PLUGIN}"
[plugin.config]
listen = "127.0.0.1:0"
${respConfig}
`);
  const child = spawn(process.env.ORBITD, ['--config', path.join(folder, 'node.toml'), '--ready-file', ready],
    { stdio: ['ignore', 'pipe', 'pipe'] });
  let log = '';
  child.stderr.on('data', (data) => { log += data; });
  const ended = once(child, 'exit');
  const listening = (async () => {
    for await (const line of readline.createInterface({ input: child.stdout })) {
      log += line + '\n';
      const found = /redis listens on 127\.0\.0\.1:(\d+)/.exec(line);
      if (found) return Number(found[1]);
    }
    return 0;
  })();
  const port = await listening;
  if (!port) throw new Error('orbitd did not start: ' + log);
  child.stdout.resume();
  return {
    port,
    async stop() {
      child.kill('SIGTERM');
      const [code] = await ended;
      fs.rmSync(folder, { recursive: true, force: true });
      return code;
    },
  };
}

module.exports = { startNode };

// SPDX-License-Identifier: MIT OR BSD-3-Clause
// Certificates, made with the openssl program.
'use strict';

const { execFileSync } = require('node:child_process');
const fs = require('node:fs');
const path = require('node:path');

// signers: the name of who signs it, by the name of each certificate, which is also its common name. All are good for this machine.
// Writes NAME.pem and NAME.key into the folder, for the signers too; returns what reads them.
function sign(folder, signers) {
  const run = (...args) => execFileSync('openssl', args, { cwd: folder, stdio: 'pipe' });  // what it says is in the error
  fs.writeFileSync(path.join(folder, 'names.ext'), 'subjectAltName=IP:127.0.0.1,DNS:localhost\n');
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];
  for (const ca of new Set(Object.values(signers)))
    run('req', '-x509', ...key, '-keyout', `${ca}.key`, '-out', `${ca}.pem`, '-days', '2', '-subj', `/CN=${ca}`);
  for (const [name, ca] of Object.entries(signers)) {
    run('req', ...key, '-keyout', `${name}.key`, '-out', `${name}.csr`, '-subj', `/CN=${name}`);
    run('x509', '-req', '-in', `${name}.csr`, '-CA', `${ca}.pem`, '-CAkey', `${ca}.key`, '-CAcreateserial', '-days', '2',
      '-out', `${name}.pem`, '-extfile', 'names.ext');
  }
  return (name) => fs.readFileSync(path.join(folder, name));
}

module.exports = { sign };

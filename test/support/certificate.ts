import { execFile } from 'node:child_process';
import path from 'node:path';
import { promisify } from 'node:util';
import { installDebianPackages, programOf } from './machine.ts';

export interface CertificateFiles {
  readonly cert: string;
  readonly key: string;
}

/** Writes a self-signed certificate for 127.0.0.1 and localhost into a folder, under a name that tells it from others. */
export async function makeCertificate(folder: string, name: string): Promise<CertificateFiles> {
  await installDebianPackages([programOf('openssl')], console.log);
  const files = { cert: path.join(folder, `${name}.crt`), key: path.join(folder, `${name}.key`) };
  const subject = ['-subj', `/CN=${name}`, '-addext', 'subjectAltName=IP:127.0.0.1,DNS:localhost', '-days', '2'];
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-keyout', files.key];
  await promisify(execFile)('openssl', ['req', '-x509', ...key, ...subject, '-out', files.cert]);
  return files;
}

// Debian's buildah, which builds and runs images as root, without a daemon and without a registry.
import { execFile } from 'node:child_process';
import { chmod, copyFile, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { UserError } from '../../src/core/base/errors.ts';
import { eventually } from '../support/eventually.ts';
import { installDebianPackages, keepInCache, programOf } from '../support/machine.ts';
import { descendantsOf } from '../support/processes.ts';
import { ProcessGroup, runQuietly } from '../support/processGroup.ts';

const npmVersion = '11.21.2';

/** A token among the settings that npm gets for a build; for a registry that nothing comes from. */
export const BUILD_SECRET = 'secret-of-the-build';

/** A program in a container, that waits for `release` before it starts. */
export interface Contained {
  readonly group: ProcessGroup;
  /** Of the program itself, as this machine counts. */
  readonly pid: number;
}

export interface ContainerOptions {
  readonly env?: Readonly<Record<string, string>>;
  /** `/here:/there` or `/here:/there:ro`. */
  readonly volumes?: readonly string[];
}

/** Images and containers in a folder of their own. */
export class Buildah {
  /** For what else the test needs; gone with the images. */
  readonly folder: string;
  private readonly storage: readonly string[];
  private readonly env: NodeJS.ProcessEnv;
  private readonly started = new Set<ProcessGroup>();

  static async open(say: (line: string) => void): Promise<Buildah> {
    if (process.platform !== 'linux' || process.getuid?.() !== 0)
      throw new UserError('Images are built and run here by root on Linux only: sudo npm test -- deploy/image');
    await installDebianPackages([programOf('buildah'), programOf('debootstrap')], say);
    return new Buildah(await mkdtemp(join(tmpdir(), 'switchyard-image-')));
  }

  private constructor(folder: string) {
    this.folder = folder;
    this.storage = ['--storage-driver=vfs', `--root=${folder}/storage`, `--runroot=${folder}/run`];
    this.env = { ...process.env, TMPDIR: folder, BUILDAH_ISOLATION: 'chroot' };
  }

  /** Ends what still runs, and removes everything. */
  async close(): Promise<void> {
    for (const group of this.started) {
      // What is in a container is in another process group.
      for (const pid of descendantsOf(group.id)) kill(pid);
      await group.stop(0);
    }
    await rm(this.folder, { recursive: true });
  }

  /** Runs buildah to its end, and gives what it prints. */
  async run(...args: readonly string[]): Promise<string> {
    const { stdout } = await promisify(execFile)('buildah', [...this.storage, ...args], {
      env: this.env,
      maxBuffer: 64 * 1024 * 1024,
    });
    return stdout.trim();
  }

  /** An image of Debian with Node and npm, as the one on Docker Hub is; gives the folder that it is made from. */
  async importBase(image: string, say: (line: string) => void): Promise<string> {
    const rootfs = await keepInCache(
      `debian-bookworm-node-${process.versions.node}-npm-${npmVersion}`,
      () => say('Another run is making a base image; waiting for it.'),
      async folder => {
        say('Making a base image (debootstrap, once a machine, about a minute)…');
        await makeRootfs(folder);
      },
    );
    const container = await this.run('from', 'scratch');
    await this.run('add', '--quiet', container, rootfs, '/');
    await this.run('commit', '--quiet', '--rm', '--disable-compression', container, image);
    return rootfs;
  }

  /** Builds a Dockerfile with this machine's way to npm's registry, which is a secret of the build. */
  async build(image: string, dockerfile: string, context: string, base: string): Promise<void> {
    const npmrc = join(this.folder, 'npmrc');
    await writeFile(npmrc, await registrySettings());
    const ca = process.env.NODE_EXTRA_CA_CERTS;
    const secrets = [`id=npmrc,src=${npmrc}`, ...(ca ? [`id=ca,src=${ca}`] : [])];
    const source = [`--build-arg=BASE_IMAGE=${base}`, '--pull-never', `--file=${dockerfile}`, context];
    const how = ['--quiet', '--format=docker', '--timestamp=0', ...secrets.map(secret => `--secret=${secret}`)];
    await this.run('bud', ...how, `--tag=${image}`, ...source);
  }

  /**
   * Starts a program as the image's own user, with the file system of the container read-only but for its volumes.
   * buildah itself has to write there before: so the program is held back until that is done.
   */
  async start(container: string, command: readonly string[], options: ContainerOptions): Promise<Contained> {
    const tmp = await mkdtemp(join(this.folder, 'tmp-'));
    await chmod(tmp, 0o1777);
    const env = Object.entries(options.env ?? {}).map(([name, value]) => `--env=${name}=${value}`);
    const volumes = [`${tmp}:/tmp`, ...(options.volumes ?? [])].map(volume => `--volume=${volume}`);
    const wait = 'echo $$ >/tmp/held; until [ -e /tmp/released ]; do sleep 0.05; done; exec "$@"';
    const held = ['sh', '-c', wait, 'held', ...command];
    const args = [...this.storage, 'run', ...env, ...volumes, container, '--', ...held];
    const group = await ProcessGroup.start('buildah', args, { env: this.env });
    this.started.add(group);
    const pid = await eventually(
      'the container',
      async () => Number(/^(\d+)\n/.exec(await readIfThere(join(tmp, 'held')))?.[1] ?? 0) || undefined,
      30_000,
    );
    await this.enter(pid, 'mount', '-o', 'remount,bind,ro', '/');
    await writeFile(join(tmp, 'released'), '');
    return { group, pid };
  }

  /** Runs a program as root where another one is, and gives what it prints. */
  async enter(pid: number, ...command: readonly string[]): Promise<string> {
    const args = [`--target=${pid}`, '--mount', '--root', ...command];
    return (await promisify(execFile)('nsenter', args)).stdout;
  }
}

async function makeRootfs(folder: string): Promise<void> {
  await runQuietly('debootstrap', ['--variant=minbase', 'bookworm', folder], {});
  for (const path of ['var/cache/apt', 'var/lib/apt/lists', 'usr/share/doc', 'usr/share/locale', 'usr/share/man'])
    await rm(join(folder, path), { recursive: true });
  await copyFile(process.execPath, join(folder, 'usr/local/bin/node'));
  const npm = ['install', '--global', '--ignore-scripts', '--loglevel=error', `npm@${npmVersion}`];
  await runQuietly('npm', npm, { env: { ...process.env, npm_config_prefix: join(folder, 'usr/local') } });
}

/** What npm is told here by files or variables, as one file. */
async function registrySettings(): Promise<string> {
  const file = process.env.npm_config_userconfig ?? join(homedir(), '.npmrc');
  const settings = await readIfThere(file);
  const { stdout } = await promisify(execFile)('npm', ['config', 'get', 'registry']);
  return `${settings}\nregistry=${stdout.trim()}\n//registry.invalid/:_authToken=${BUILD_SECRET}\n`;
}

async function readIfThere(file: string): Promise<string> {
  try {
    return await readFile(file, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return '';
    throw error;
  }
}

function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}

// deploy/kubernetes as kubectl would apply it, held against the models of Kubernetes and against what we promise.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { before, suite, test } from 'node:test';
import { promisify } from 'node:util';
import type { IDeployment } from 'kubernetes-models/apps/v1/Deployment';
import type { IHorizontalPodAutoscaler } from 'kubernetes-models/autoscaling/v2/HorizontalPodAutoscaler';
import type { INetworkPolicy } from 'kubernetes-models/networking.k8s.io/v1/NetworkPolicy';
import type { IPodDisruptionBudget } from 'kubernetes-models/policy/v1/PodDisruptionBudget';
import type { IConfigMap } from 'kubernetes-models/v1/ConfigMap';
import type { IContainer } from 'kubernetes-models/v1/Container';
import type { IPodSpec } from 'kubernetes-models/v1/PodSpec';
import type { ISecret } from 'kubernetes-models/v1/Secret';
import type { IService } from 'kubernetes-models/v1/Service';
import { parseAllDocuments } from 'yaml';
import { parseCommandLine } from '../../src/cli/args.ts';
import { parseConfig } from '../../src/core/config/load.ts';
import { installDebianPackages, programOf } from '../support/machine.ts';

const ROOT = join(import.meta.dirname, '../..');
const FOLDERS = ['base', 'overlays/laptop', 'overlays/production'] as const;
/** The longest that the router takes to end after SIGTERM. */
const ROUTER_ENDS_SECONDS = 9;

interface Kinds {
  readonly ConfigMap: IConfigMap;
  readonly Deployment: IDeployment;
  readonly HorizontalPodAutoscaler: IHorizontalPodAutoscaler;
  readonly NetworkPolicy: INetworkPolicy;
  readonly PodDisruptionBudget: IPodDisruptionBudget;
  readonly Secret: ISecret;
  readonly Service: IService;
}

const applied = new Map<string, readonly Kinds[keyof Kinds][]>();

before(async () => {
  await installDebianPackages([programOf('kubernetes-client', 'kubectl')], console.log);
  for (const folder of FOLDERS) {
    const { stdout } = await promisify(execFile)('kubectl', ['kustomize', join(ROOT, 'deploy/kubernetes', folder)]);
    applied.set(
      folder,
      parseAllDocuments(stdout).map(document => document.toJS()),
    );
  }
});

test('every key is one that Kubernetes knows', async t => {
  // Only the compiler takes offence at a key too many, and only where it is written out.
  const folder = await mkdtemp(join(tmpdir(), 'switchyard-kubernetes-'));
  t.after(() => rm(folder, { recursive: true }));
  await symlink(join(ROOT, 'node_modules'), join(folder, 'node_modules'));
  const lines = [...applied.values()].flat().map(document => {
    const { apiVersion, kind } = document;
    const type = `import('kubernetes-models/${apiVersion}/${kind}').I${kind}`;
    return `(${JSON.stringify(document)}) satisfies ${type};`;
  });
  await writeFile(join(folder, 'applied.ts'), lines.join('\n'));
  const options = ['--noEmit', '--strict', '--skipLibCheck', '--module', 'nodenext', '--target', 'es2023'];
  const tsc = join(ROOT, 'node_modules/typescript/bin/tsc');
  await promisify(execFile)(process.execPath, [tsc, ...options, 'applied.ts'], { cwd: folder }).catch(
    (error: Error & { readonly stdout: string }) => assert.fail(error.stdout),
  );
});

for (const folder of FOLDERS) {
  suite(`deploy/kubernetes/${folder}`, () => {
    test('every document is valid by the models of Kubernetes', async () => {
      for (const document of documents(folder)) {
        const models: Record<string, new (data: object) => { validate(): void }> = await import(
          `kubernetes-models/${document.apiVersion}/${document.kind}`
        );
        const KindModel = models[document.kind];
        assert.ok(KindModel);
        new KindModel(document).validate();
      }
    });

    test('the Service has the names and ports of the older system, and keeps a client at its pod', () => {
      const { metadata, spec } = only(folder, 'Service');
      assert.equal(metadata?.name, 'multi-mcp-service');
      assert.equal(spec?.type, 'NodePort');
      assert.deepEqual(
        spec?.ports?.map(({ port, nodePort, targetPort }) => ({ port, nodePort, targetPort })),
        [{ port: 8080, nodePort: 30080, targetPort: 'http' }],
      );
      assert.equal(spec?.sessionAffinity, 'ClientIP');
      assert.deepEqual(containerOf(folder).ports, [{ name: 'http', containerPort: 8080 }]);
    });

    test('everything selects the pods, and nothing else', () => {
      const labels = only(folder, 'Deployment').spec?.template.metadata?.labels;
      assert.deepEqual(labels, { app: 'multi-mcp' });
      for (const selector of [
        only(folder, 'Deployment').spec?.selector.matchLabels,
        only(folder, 'Service').spec?.selector,
        only(folder, 'PodDisruptionBudget').spec?.selector?.matchLabels,
        only(folder, 'NetworkPolicy').spec?.podSelector?.matchLabels,
        podOf(folder).topologySpreadConstraints?.[0]?.labelSelector?.matchLabels,
      ])
        assert.deepEqual(selector, labels);
    });

    test('the container is run as the router reads its arguments, on all addresses with a token', () => {
      const { args = [], command, env = [] } = containerOf(folder);
      assert.equal(command, undefined);
      const parsed = parseCommandLine(args);
      assert.ok(parsed.kind === 'serve' && !parsed.noAuth);
      assert.equal(parsed.authTokenFile, '/run/secrets/multi-mcp/token');
      assert.deepEqual(
        env.find(({ name }) => name === 'MCP_PORT'),
        { name: 'MCP_PORT', value: '8080' },
      );
    });

    test('the probes ask the right questions, under a name that the router answers to', () => {
      const { startupProbe, livenessProbe, readinessProbe } = containerOf(folder);
      const asked = [startupProbe, livenessProbe, readinessProbe].map(probe => probe?.httpGet);
      const httpHeaders = [{ name: 'Host', value: 'localhost' }];
      assert.deepEqual(asked, [
        { path: '/healthz', port: 'http', httpHeaders },
        { path: '/healthz', port: 'http', httpHeaders },
        { path: '/readyz', port: 'http', httpHeaders },
      ]);
    });

    test('the pod has no rights, and its file system is read-only but for state and temporary files', () => {
      const pod = podOf(folder);
      assert.equal(pod.automountServiceAccountToken, false);
      assert.equal(pod.securityContext?.runAsNonRoot, true);
      assert.equal(pod.securityContext?.runAsUser, 1001);
      assert.deepEqual(pod.securityContext?.seccompProfile, { type: 'RuntimeDefault' });
      const { securityContext, volumeMounts = [] } = containerOf(folder);
      assert.deepEqual(securityContext, {
        allowPrivilegeEscalation: false,
        readOnlyRootFilesystem: true,
        capabilities: { drop: ['ALL'] },
      });
      const writable = volumeMounts.filter(({ readOnly }) => !readOnly);
      assert.deepEqual(writable.map(({ mountPath }) => mountPath).sort(), ['/state', '/tmp']);
      for (const { name } of writable) assert.ok(pod.volumes?.find(volume => volume.name === name)?.emptyDir, name);
    });

    test('the pod has the time that the router needs to end', () => {
      const [command, seconds] = containerOf(folder).lifecycle?.preStop?.exec?.command ?? [];
      assert.equal(command, 'sleep');
      assert.ok(Number(podOf(folder).terminationGracePeriodSeconds) > Number(seconds) + ROUTER_ENDS_SECONDS);
    });

    test('the configuration loads without a complaint, and names the hosts that clients call', () => {
      const text = only(folder, 'ConfigMap').data?.['backends.yaml'];
      assert.ok(text);
      const loaded = parseConfig(text, '/app/config/backends.yaml', {
        env: { POD_NAMESPACE: 'tools', POD_IP: '10.1.2.3', NODE_IP: '192.0.2.7' },
        workspaceFolder: '/app',
        userHome: '/state',
        input: () => undefined,
      });
      assert.deepEqual(loaded.problems, []);
      assert.ok(loaded.ok);
      const service = only(folder, 'Service').metadata?.name;
      for (const host of [service, `${service}.tools`, `${service}.tools.svc.cluster.local`, '10.1.2.3', '192.0.2.7'])
        assert.ok(loaded.config.server.allowed_hosts.includes(`${host}`), host);
      const mount = containerOf(folder).volumeMounts?.find(({ mountPath }) => mountPath === '/app/config');
      const volume = podOf(folder).volumes?.find(({ name }) => name === mount?.name);
      assert.equal(volume?.configMap?.name, only(folder, 'ConfigMap').metadata?.name);
    });

    test('no token is shipped: without one of the owner the pod waits', () => {
      const { metadata, data, stringData } = only(folder, 'Secret');
      assert.deepEqual([data, stringData], [undefined, undefined]);
      const { secret } = podOf(folder).volumes?.find(({ name }) => name === 'token') ?? {};
      assert.equal(secret?.secretName, metadata?.name);
      assert.deepEqual(secret?.items, [{ key: 'token', path: 'token' }]);
      assert.ok(!secret?.optional);
    });

    test('one pod at a time may be taken away', () => {
      assert.equal(only(folder, 'PodDisruptionBudget').spec?.maxUnavailable, 1);
    });
  });
}

test('on a laptop there is one pod, of an image that is in no registry', () => {
  assert.equal(only('overlays/laptop', 'Deployment').spec?.replicas, 1);
  assert.equal(containerOf('overlays/laptop').imagePullPolicy, 'Never');
  assert.equal(containerOf('overlays/laptop').image, 'multi-mcp:latest');
});

test('in production there are three pods or more, and an apply does not count them', () => {
  const { spec } = only('overlays/production', 'HorizontalPodAutoscaler');
  assert.equal(spec?.minReplicas, 3);
  assert.equal(spec?.scaleTargetRef.name, only('overlays/production', 'Deployment').metadata?.name);
  assert.equal(only('overlays/production', 'Deployment').spec?.replicas, undefined);
  assert.ok(
    containerOf('overlays/production').resources?.requests?.cpu,
    'the autoscaler measures by what is requested',
  );
});

function documents(folder: string): readonly Kinds[keyof Kinds][] {
  const found = applied.get(folder);
  assert.ok(found);
  return found;
}

function only<K extends keyof Kinds>(folder: string, kind: K): Kinds[K] {
  const found = documents(folder).filter((document): document is Kinds[K] => document.kind === kind);
  const [document, ...more] = found;
  assert.ok(document && more.length === 0, `one ${kind}`);
  return document;
}

function podOf(folder: string): IPodSpec {
  const { spec } = only(folder, 'Deployment').spec?.template ?? {};
  assert.ok(spec);
  return spec;
}

function containerOf(folder: string): IContainer {
  const [container, ...more] = podOf(folder).containers;
  assert.ok(container && more.length === 0, 'one container');
  return container;
}

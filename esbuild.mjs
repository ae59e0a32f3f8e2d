// Bundles both faces: dist/extension.js for the editor's extension host, dist/cli.js for Node >= 20.
//   node esbuild.mjs [--watch] [--production]
// Both are ES modules (package.json says so, and VS Code reads it), so what they share, the core with
// its SDK, is one chunk that the extension loads only when it imports it, after its activation.
import { chmod, rm } from 'node:fs/promises';
import { context } from 'esbuild';

const here = import.meta.url;
const production = process.argv.includes('--production');

const bundle = await context({
  entryPoints: { extension: 'src/vscode/extension.ts', cli: 'src/cli/main.ts' },
  absWorkingDir: import.meta.dirname,
  outdir: 'dist',
  bundle: true,
  splitting: true,
  format: 'esm',
  platform: 'node',
  target: 'node20',
  external: ['vscode'],
  // ES modules first: a UMD main hides its own imports from the bundler.
  mainFields: ['module', 'main'],
  // CommonJS dependencies call require() for Node's own modules, which an ES module does not have.
  banner: { js: "import { createRequire } from 'node:module'; const require = createRequire(import.meta.url);" },
  minify: production,
  sourcemap: !production,
  logLevel: 'info',
  plugins: [
    {
      // With it come 490 KB of character sets. Bodies are read without it: see src/core/downstream/sseTransport.ts.
      name: 'the raw-body of the v1 SDK stays outside',
      setup: ({ onLoad }) =>
        onLoad({ filter: /[\\/]node_modules[\\/]raw-body[\\/]/ }, () => ({ contents: 'export default undefined;' })),
    },
    {
      name: 'executable',
      setup: ({ onEnd }) =>
        onEnd(({ errors }) => (errors.length === 0 ? chmod(new URL('dist/cli.js', here), 0o755) : undefined)),
    },
  ],
});

// Chunks are named by their content: old ones would stay and be shipped.
await rm(new URL('dist', here), { recursive: true, force: true });
if (process.argv.includes('--watch')) {
  await bundle.watch();
} else {
  await bundle.rebuild();
  await bundle.dispose();
}

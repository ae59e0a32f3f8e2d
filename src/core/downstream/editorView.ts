import type { Clock } from '../base/clock.ts';
import type { Disposable } from '../base/disposable.ts';
import type { Event } from '../base/event.ts';
import type { JsonObject } from '../base/json.ts';
import type { Logger } from '../base/log.ts';
import { RecentMap } from '../base/recentMap.ts';
import { type Catalog, definitionFor, type Entry } from '../router/catalog.ts';
import type { Present } from './dispatch.ts';
import { fitForEditor, forPagesAlone, resourceForEditor, withFitIcons } from './editorFit.ts';
import { EditorIcons } from './editorIcons.ts';

const MAX_TOLD = 1_000;

/** The catalog as VS Code is to see it: repaired where it would drop something, and saying whose everything is. */
export class EditorView implements Disposable {
  private readonly icons: EditorIcons;
  private readonly log: Logger;
  /** What the log was told: problems by exposed names. */
  private readonly told = new RecentMap<string, string>(MAX_TOLD);
  /** There are icons that were not there before. */
  readonly onDidChange: Event<void>;

  constructor(clock: Clock, log: Logger) {
    this.icons = new EditorIcons(clock, log);
    this.log = log;
    this.onDidChange = this.icons.onDidLoad;
  }

  /** A list without the tools that VS Code would drop, which could cost it others as well. */
  present(catalog: Catalog, kind: Parameters<Present>[1]): readonly unknown[] {
    if (kind !== 'tools') return Array.from(catalog[kind].values(), entry => this.fitOther(entry, kind));
    const tools = new Map(Array.from(catalog.tools, ([name, entry]) => [name, this.tool(entry)]));
    // VS Code lets the page of an MCP App call only what is listed by the very name that the page gives.
    for (const [ownName, exposedName] of catalog.pageTools) {
      const tool = tools.get(exposedName);
      if (tool && !tools.has(ownName)) tools.set(ownName, forPagesAlone(tool, ownName));
    }
    return [...tools.values()].filter(tool => tool !== undefined);
  }

  private tool(entry: Entry): JsonObject | undefined {
    const { problem, ...fit } = this.fit(entry);
    if (problem !== undefined && this.told.get(entry.exposedName) !== problem) {
      this.told.set(entry.exposedName, problem);
      this.log.warning(`VS Code would not take the tool ${entry.exposedName}, which is left out there: ${problem}`);
    }
    return problem === undefined ? fit.definition : undefined;
  }

  /** Why VS Code would drop a tool; undefined: it takes it. */
  problemOf(tool: Entry): string | undefined {
    return this.fit(tool).problem;
  }

  dispose(): void {
    this.icons.dispose();
  }

  private fit(entry: Entry) {
    const definition = definitionFor('legacy', entry);
    const backend = entry.candidates[0]?.backend;
    // The management tools are the router's own, and belong to no namespace.
    if (!backend) return { definition, problem: undefined };
    return fitForEditor(definition, { namespace: backend.config.namespace, icon: this.iconOf(entry) });
  }

  private fitOther(entry: Entry, kind: 'prompts' | 'resources' | 'templates'): unknown {
    const definition = definitionFor('legacy', entry);
    const backend = entry.candidates[0]?.backend;
    const icon = this.iconOf(entry);
    // A prompt is chosen by its name, which says the namespace.
    if (kind === 'prompts' || !backend) return withFitIcons(definition, icon);
    return resourceForEditor(definition, { namespace: backend.config.namespace, icon });
  }

  private iconOf({ candidates }: Entry): (src: string) => string | undefined {
    const launch = candidates[0]?.backend.config.launch;
    if (!launch) return () => undefined;
    return src => this.icons.icon(launch, src);
  }
}

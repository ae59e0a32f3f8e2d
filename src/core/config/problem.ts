import { LineCounter } from 'yaml';

/** Something to tell about the configuration file, with its place. Lines and columns count from 1. */
export interface Problem {
  readonly severity: 'error' | 'warning';
  readonly message: string;
  readonly file: string;
  readonly line: number;
  readonly column: number;
  readonly endLine: number;
  readonly endColumn: number;
  /** The backend it is about; absent where it is about the whole file. */
  readonly backend?: string;
}

/** What is wrong with an entry: of one that is in no file without a place. */
export type EntryProblem = Problem | { readonly message: string };

/** `backends.yaml:12:5: message`, with the path as it was given; the message alone where there is no place. */
export function formatProblem(problem: EntryProblem | Pick<Problem, 'file' | 'line' | 'column' | 'message'>): string {
  const { message } = problem;
  return 'file' in problem ? `${problem.file}:${problem.line}:${problem.column}: ${message}` : message;
}

/** A piece of the text, by character offsets; `end` is past its last character. */
export interface Span {
  readonly start: number;
  readonly end: number;
}

/** Collects the problems of one file, turning offsets into lines and columns. */
export class ProblemLog {
  readonly problems: Problem[] = [];
  private readonly lines = new LineCounter();
  private readonly file: string;

  constructor(file: string, text: string) {
    this.file = file;
    this.lines.addNewLine(0);
    for (let at = text.indexOf('\n'); at >= 0; at = text.indexOf('\n', at + 1)) this.lines.addNewLine(at + 1);
  }

  add(severity: Problem['severity'], span: Span, message: string, backend?: string): Problem {
    const start = this.lines.linePos(span.start);
    const end = this.lines.linePos(span.end);
    const problem: Problem = {
      severity,
      message,
      file: this.file,
      line: start.line,
      column: start.col,
      endLine: end.line,
      endColumn: end.col,
      ...(backend === undefined ? {} : { backend }),
    };
    this.problems.push(problem);
    return problem;
  }
}

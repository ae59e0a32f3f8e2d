/** A longer message is none; it ends its connection rather than the router's memory. */
export const MAX_MESSAGE_BYTES = 64 * 1024 * 1024;

const NEWLINE = 10;

/** Puts together the lines of a stream, which come in pieces of any size. */
export class LineReader {
  private readonly onLine: (line: Buffer) => void;
  private pieces: Buffer[] = [];
  private pieceBytes = 0;

  /** @param onLine takes each line without its end; bytes are not decoded before, as a piece may end within a character */
  constructor(onLine: (line: Buffer) => void) {
    this.onLine = onLine;
  }

  /** @returns false if the line that has begun exceeds {@link MAX_MESSAGE_BYTES}; what has come of it is forgotten */
  read(chunk: Buffer): boolean {
    let start = 0;
    for (let at = chunk.indexOf(NEWLINE); at >= 0; at = chunk.indexOf(NEWLINE, start)) {
      const piece = chunk.subarray(start, at);
      const line = this.pieces.length > 0 ? Buffer.concat([...this.pieces, piece]) : piece;
      this.forget();
      start = at + 1;
      this.onLine(line);
    }
    if (start === chunk.length) return true;
    this.pieces.push(chunk.subarray(start));
    this.pieceBytes += chunk.length - start;
    if (this.pieceBytes <= MAX_MESSAGE_BYTES) return true;
    this.forget();
    return false;
  }

  private forget(): void {
    this.pieces = [];
    this.pieceBytes = 0;
  }
}

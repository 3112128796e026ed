import type { LoggerService } from '@nestjs/common';

export type HttpAppOptions = {
  /** Of the program, as the OpenAPI document shows it. */
  name: string;
  version: string;
  /** Largest JSON body. */
  bodyBytesMax: number;
  /** Other content types that routes take as a Buffer, each with its own limit: `{ 'text/csv': 50_000_000 }`. */
  rawBodyBytesMax?: Readonly<Record<string, number>>;
  /** Content types that routes take as a stream, and bound themselves (`spool.ts`). */
  streamedBodies?: readonly string[];
  https?: { cert: string | Buffer; key: string | Buffer };
  /**
   * Whether browsers are to take nothing but TLS from this name for a year (default: with `https`). Not where the authority
   * is our own: its renewal would then shut people out of the page, on another port, that shows how to trust the new one.
   */
  strictTransport?: boolean;
  logger?: LoggerService;
};

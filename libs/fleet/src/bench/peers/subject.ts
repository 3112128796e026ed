import type { FaultProxy } from '../../fault-proxy.js';

/** What is compared: a client with its own store, a server with its own, and a line between them. */
export interface Subject {
  readonly name: string;
  /** What an acknowledged sale survives, in few words. */
  readonly durability: string;
  /** How many sales are killed and restored with. */
  readonly trialSales: number;
  readonly line: FaultProxy;
  /** Of a transfer, what its two sides wait for each other before anything moves; it is not counted against them. */
  readonly idleS: number;
  /** So many further sales in the client's store, of which the server knows nothing: there is no line meanwhile. */
  fill(sales: number, signal: AbortSignal): Promise<void>;
  /** Starts the client, if need be, and gives it the line. */
  connect(): Promise<void>;
  /** Sales that the server has, each counted as often as it has it. @throws while it is down */
  countAtServer(): Promise<number>;
  /** By SIGKILL, in the middle; each is started again on its own files. */
  killClient(): Promise<void>;
  killServer(): Promise<void>;
  /** Its files as they are now; it is stopped in order for it. */
  copyServer(): Promise<void>;
  /** The files of the copy instead of those of now; the client is not told. */
  putServerBack(): Promise<void>;
  /** Against all that the client was filled with. */
  judge(): Promise<Loss>;
  close(): Promise<void>;
}

export interface Loss {
  lost: number;
  doubled: number;
}

export interface Transfer {
  /** That were to go over. */
  sales: number;
  /** That were at the server in the end. */
  arrived: number;
  /** Without the idle ones. */
  seconds: number;
  idleS: number;
  upBytes: number;
  downBytes: number;
  resets: number;
}

export interface Compared {
  name: string;
  durability: string;
  transfer: Transfer;
  trialSales: number;
  afterKills: Loss;
  afterRestore: Loss;
}

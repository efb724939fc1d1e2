/** What a request, a connection and a reader of events may have: no more is read or kept. */
export const LIMITS = {
  bodyBytes: 1024,
  /** Of one that adds a task: its parameters take most of it (MAX_PARAMS_BYTES, spelled out at most four times as long). */
  taskBytes: 256 * 1024,
  headerBytes: 8 * 1024,
  /** How long its head, and all of it, may take to come. */
  requestMs: 5_000,
  /** A connection that asks for nothing is closed after so long. */
  idleMs: 5_000,
  /** One that takes nothing of what it was answered is closed after so long. */
  stalledMs: 30_000,
  /** How long whoever adds or removes a task waits for an answer: it starts, or ends, all of it first. */
  changeMs: 120_000,
  /** Of one connection: who sends many ahead of their answers would have them all made and kept. */
  requests: 16,
  /** By TCP, and as many by the socket. */
  connections: 64,
  /** Cycles in one answer. */
  cycles: 100,
  /** Who reads events at a time. */
  readers: 16,
  /** Events that are kept for who comes back, and their bytes. */
  events: 1_024,
  eventBytes: 1024 * 1024
} as const

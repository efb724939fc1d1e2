/**
 * # control
 *
 * The way into a running node for whoever runs it: one HTTP API on loopback and on a socket in the data directory, behind a token.
 * Commands that speak with a node use it, and nothing else.
 *
 *     koii-mesh status, task add, events      supervisors: /healthz
 *          | client.ts: token, socket or TCP          |
 *          v                                          v
 *     app.ts: bounds, auth.ts (no pages, token) ──> routes.ts ──> what `node` hands in (Controlled)
 *                                                      |
 *     events ──> cycle log (participant) ──> phases.ts ┘    stream.ts: a ring of events, and readers of it
 *
 * schemas.ts says what goes in and out, for the checks, the types and the document at /v1/openapi.json.
 *
 * @example
 * ```ts
 * const control = await startControl({ port: 0, dataDir, node, events, log })
 * const status = await ask(doorOf(dataDir), statusSchema, '/v1/status')
 * await control.stop()
 * ```
 */

export { NotNowError, type TaskRefusal, TaskRefusedError } from './failures.ts'
export { API_FILE, SOCKET_FILE, TOKEN_FILE } from './files.ts'
export { phasesOf } from './phases.ts'
export type { Controlled } from './routes.ts'
export type { Added, AskedTask, Cycle, Health, Paused, Peer, Removed, Status, Task, TaskState, TaskStatus } from './schemas.ts'
export { ApiError, type Control, startControl } from './server.ts'

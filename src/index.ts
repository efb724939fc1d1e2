/**
 * # koii-mesh
 *
 * The front page of the library: what a program that embeds a node, or talks to the mesh, needs. The command line in
 * src/cli is made of the same parts.
 *
 * @example
 * ```ts
 * import { createLog, createNode, loadConfig } from 'koii-mesh'
 *
 * const config = loadConfig({ env: process.env, flags: { k2: 'http://127.0.0.1:8899', task: '9xQe...' } })
 * const node = await createNode({ config, log: createLog({ level: 'info' }) })
 * node.events.on((event) => console.log(event.event, event.cycle))
 * await node.start()
 * ```
 */
export { type Config, ConfigError, koiiToRoe, loadConfig, roeToKoii, type TaskConfig } from './config/index.ts'
export type { Cycle, Status, Task } from './control/index.ts'
export { statusSchema } from './control/schemas.ts'
export { generateKeyPair, readKeyFile, writeKeyFile } from './identity/index.ts'
export { createK2Client, type K2Client } from './k2/index.ts'
export * as settlement from './k2/settlement/index.ts'
export { createLocalK2, createTraffic, type LocalK2 } from './local-k2/index.ts'
export { createAuditor, createNode, type MeshNode, type NodeInit } from './node/index.ts'
export { type EventName, eventSchemas, type NodeEvent, nodeEventSchema } from './observe/events.ts'
export { createLog } from './observe/index.ts'
export * as record from './record/index.ts'
export { createRounds, type Rounds, type RoundsEffect, type RoundsEvent } from './rounds/index.ts'
export { createSigner, type Signer } from './signer/index.ts'
export { createTaskRunner, type TaskBundle, type TaskContext, type TaskRunner } from './tasks/index.ts'
export { runTestnet, type TestnetSummary } from './testnet/index.ts'
export * as wire from './wire/index.ts'

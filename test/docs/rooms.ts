/**
 * Which room may import which: the one place where that is said. A new edge is added here and in the table of docs/architecture.md, or
 * it is red; a new room has its layer, too.
 */

/** From the top down: a room imports rooms of lower layers alone. docs/architecture.md draws them so. */
export const LAYERS: ReadonlyArray<readonly string[]> = [
  ['cli'],
  ['testnet'],
  ['node'],
  ['signer', 'sync'],
  ['gossip', 'k2', 'proofs'],
  ['network', 'rounds'],
  ['audit', 'record', 'store'],
  ['config', 'identity', 'observe', 'wire'],
  ['clock', 'command', 'disk', 'tasks']
]

/** All of them, and each is made use of. */
export const ALLOWED: Readonly<Record<string, readonly string[]>> = {
  audit: ['wire'],
  cli: ['clock', 'command', 'config', 'disk', 'identity', 'k2', 'network', 'node', 'observe', 'proofs', 'testnet'],
  clock: [],
  command: [],
  config: ['disk'],
  disk: [],
  gossip: ['clock', 'network', 'wire'],
  identity: ['command', 'disk'],
  k2: ['clock', 'command', 'disk', 'identity', 'observe', 'record', 'rounds', 'store'],
  network: ['clock', 'disk', 'observe', 'store', 'wire'],
  node: [
    ...['clock', 'command', 'config', 'disk', 'gossip', 'identity', 'k2', 'network', 'observe', 'proofs', 'record', 'rounds'],
    ...['signer', 'store', 'sync', 'tasks', 'wire']
  ],
  observe: ['command'],
  proofs: ['command', 'disk', 'network', 'observe'],
  record: ['clock', 'wire'],
  rounds: ['audit', 'clock', 'record', 'wire'],
  signer: ['identity', 'k2', 'wire'],
  store: ['disk', 'identity'],
  sync: ['clock', 'gossip', 'network', 'wire'],
  tasks: [],
  testnet: ['clock', 'command', 'config', 'disk', 'identity', 'k2', 'node', 'observe', 'proofs', 'record', 'tasks', 'wire'],
  wire: ['clock']
}

/** Rooms that the large drawing of docs/architecture.md leaves out: its text names them. */
export const NOT_DRAWN: readonly string[] = [
  ...['audit', 'cli', 'node', 'signer', 'testnet'],
  ...['clock', 'command', 'config', 'disk', 'identity', 'observe', 'store', 'wire']
]

/**
 * Which room may import which: the one place where that is said. A new edge is added here and in the table of docs/architecture.md, or
 * it is red; a new room has its layer, too.
 */

/** From the top down: a room imports rooms of lower layers alone. docs/architecture.md draws them so. */
export const LAYERS: ReadonlyArray<readonly string[]> = [
  ['cli'],
  ['testnet'],
  ['node'],
  ['control', 'participant'],
  ['local-k2', 'signer', 'sync'],
  ['gossip', 'k2', 'proofs'],
  ['network', 'rounds'],
  ['audit', 'judge', 'record', 'store'],
  ['config', 'identity', 'observe', 'wire'],
  ['clock', 'command', 'disk', 'tasks']
]

/** All of them, and each is made use of. */
export const ALLOWED: Readonly<Record<string, readonly string[]>> = {
  audit: ['wire'],
  cli: [
    ...['clock', 'command', 'config', 'control', 'disk', 'identity', 'k2', 'local-k2', 'network', 'node', 'observe', 'proofs'],
    ...['record', 'signer', 'store', 'testnet']
  ],
  clock: [],
  command: [],
  config: ['disk'],
  control: ['clock', 'command', 'config', 'disk', 'observe', 'store'],
  disk: [],
  gossip: ['judge', 'network', 'wire'],
  identity: ['command', 'disk'],
  k2: ['clock', 'command', 'identity', 'observe', 'record', 'rounds', 'store'],
  judge: ['clock', 'wire'],
  'local-k2': ['disk', 'identity', 'k2', 'observe'],
  network: ['clock', 'disk', 'judge', 'observe', 'store', 'wire'],
  node: [
    ...[
      'clock',
      'command',
      'config',
      'control',
      'disk',
      'gossip',
      'identity',
      'k2',
      'network',
      'observe',
      'participant',
      'proofs',
      'record',
      'rounds'
    ],
    ...['signer', 'store', 'sync', 'tasks', 'wire']
  ],
  observe: ['command'],
  participant: [
    ...['clock', 'command', 'identity', 'judge', 'k2', 'observe', 'proofs', 'record', 'rounds', 'signer', 'store', 'tasks', 'wire']
  ],
  proofs: ['command', 'disk', 'network', 'observe'],
  record: ['clock', 'wire'],
  rounds: ['audit', 'clock', 'record', 'wire'],
  signer: ['command', 'disk', 'identity', 'k2', 'wire'],
  store: ['disk', 'identity'],
  sync: ['clock', 'judge', 'network', 'wire'],
  tasks: [],
  testnet: ['clock', 'command', 'config', 'disk', 'identity', 'k2', 'local-k2', 'node', 'observe', 'proofs', 'record', 'tasks', 'wire'],
  wire: ['clock']
}

/** Rooms that the large drawing of docs/architecture.md leaves out: its text names them. */
export const NOT_DRAWN: readonly string[] = [
  ...['audit', 'cli', 'control', 'local-k2', 'node', 'signer', 'testnet'],
  ...['clock', 'command', 'config', 'disk', 'identity', 'observe', 'store', 'wire']
]

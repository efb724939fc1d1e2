/** How a node of a testnet stands, in one word of its table, and what each word means. */

export const STATES = {
  starting: 'its process starts',
  listening: 'it listens, and has not the code of the task yet',
  working: 'it has the code and does its work, and no staked peer is connected',
  meshed: 'it has the code, and staked peers are connected: their number is beside it',
  'no task': 'the code of the task does not run on it',
  killed: 'somebody has killed it, and it comes back',
  ended: 'its process has ended'
} as const

export type State = keyof typeof STATES

export interface Standing {
  listens: boolean
  hasTask: boolean
  /** Staked peers that are connected. */
  peers: number
}

/** Of a node whose process runs. Each word says what the others do not: the code may come before the first peer that counts, and after. */
export function stateOf({ listens, hasTask, peers }: Standing): State {
  return !listens ? 'starting' : !hasTask ? 'listening' : peers === 0 ? 'working' : 'meshed'
}

/** What the columns of the table say, for help. */
export const COLUMNS_HELP = `
The table, one line a node:
  state       ${Object.entries(STATES)
    .map(([name, means]) => `${name}: ${means}`)
    .join('\n              ')}
  peers       nodes with stake that it is connected to and that have shown their key. It may have the code from one before that
  work        the cycle whose work runs, or ran last; submitted, voted: the last cycle that was handed in, or voted on
  audited     what it found in its last audit, and in which cycle: valid, invalid, unavailable, abstained
  challenged  whom it has challenged last
  rewards     what it has earned in all
With several tasks each has its table, or where there is no room for that a column of one: the cycles handed in and voted on last, and KOII.
On a narrow terminal work, challenged, voted and audited go first, and the cycle is a number alone.
`

import type { StakeAccount } from '../k2/settlement/index.ts'
import type { Events, Logger } from '../observe/index.ts'

type Stake = Pick<StakeAccount, 'staker' | 'stakingKey' | 'formerKey' | 'keyFrom'>

/** What a node says whose owner has another key sign for the stake: else it only looks like one without stake. */
export interface ReplacedKey {
  /** Looks at the stakes as they were read last, and tells what is new. */
  look(): void
  notice(): string | null
}

export interface ReplacedKeyInit {
  /** The staking key of this node. */
  self: string
  accounts: () => readonly Stake[]
  events: Pick<Events, 'emit'>
  log: Pick<Logger, 'warn'>
}

/** The stake that a key spoke for and no longer does; undefined while it speaks for one. */
export function replacedStake(self: string, accounts: readonly Stake[]): Stake | undefined {
  if (accounts.some(({ stakingKey }) => stakingKey === self)) {
    return undefined
  }
  return accounts.find(({ staker, formerKey }) => staker === self || formerKey === self)
}

export function createReplacedKey({ self, accounts, events, log }: ReplacedKeyInit): ReplacedKey {
  let told: string | undefined
  const notice = () => {
    const stake = replacedStake(self, accounts())
    return stake == null
      ? null
      : `the staking key of this node, ${self}, was replaced: ${stake.stakingKey} signs for the stake of ${stake.staker}, in the mesh from cycle ${stake.keyFrom} on. Stop this node, and start one with that key (--key FILE)`
  }
  return {
    notice,
    look() {
      const stake = replacedStake(self, accounts())
      if (stake?.stakingKey !== told) {
        told = stake?.stakingKey
        if (stake != null) {
          const reason = notice()!
          log.warn({ event: 'key-replaced', staker: stake.staker, stakingKey: stake.stakingKey, cycle: stake.keyFrom }, reason)
          events.emit('key-replaced', { staker: stake.staker, stakingKey: stake.stakingKey, from: stake.keyFrom, reason })
        }
      }
    }
  }
}

/** What an operator may run next beside a node, with all that it was given. */
import { commandLine } from '../command/index.ts'
import { type Config, keyFileOf, roeToKoii } from '../config/index.ts'
import { PROGRAM_ID, type TaskAccount } from '../k2/settlement/index.ts'
import { isOwnNetwork, k2Flags } from './chain.ts'
import { isShort } from './terms.ts'

export interface NextSteps {
  status: string
  /** With what a local testnet asks for, where the node is on one. */
  stake(task: Pick<TaskAccount, 'minStake' | 'bundleNotice'>, hint: string | undefined): string
  /** Fetches something of the task from its stakers; without one, of the node's first. */
  get(cid: string, task?: string | null): string
}

/** What most stake, unless the task asks for more. */
const USUAL_STAKE_ROE = 10_000_000_000n

/** What a stake on a local testnet needs, and elsewhere must not be said for anybody. */
export function onTestnet(k2: string, bundleNotice: number): { acceptShortNotice: boolean; airdrop: boolean } {
  return { acceptShortNotice: isOwnNetwork(k2) && isShort({ bundleNotice }), airdrop: isOwnNetwork(k2) }
}

/** Paths are absolute, and nothing hangs on this terminal's variables: it will be another one. */
export function nextSteps(
  config: Pick<Config, 'k2' | 'program' | 'task' | 'key' | 'dataDir'> & { signer?: string | undefined }
): NextSteps {
  const k2 = config.k2.join(',')
  const chain = { ...k2Flags({ k2, program: config.program ?? PROGRAM_ID }), task: config.task }
  const key = keyFileOf(config)
  return {
    status: commandLine(['status'], { dataDir: config.dataDir }),
    stake: ({ minStake, bundleNotice }, hint) =>
      commandLine(['stake'], {
        ...chain,
        amount: roeToKoii(minStake > USUAL_STAKE_ROE ? minStake : USUAL_STAKE_ROE),
        key,
        hint,
        dataDir: hint == null ? undefined : config.dataDir,
        ...onTestnet(k2, bundleNotice)
      }),
    get: (cid, task) => commandLine(['proof', 'get', cid], { k2, task: task ?? config.task })
  }
}
